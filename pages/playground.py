"""Two networks, training live, side by side."""

from bnviz.ui.pages import playground

playground.show()
