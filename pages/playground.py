"""Two networks, training live, side by side."""

from bnviz.ui import playground

playground.show()
