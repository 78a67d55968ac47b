"""What the page shows, and how to read it."""

from bnviz.ui.pages import about

about.show()
