"""What the page shows, and how to read it."""

from bnviz.ui import about

about.show()
