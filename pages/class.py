"""A class before one run: start it, join it, open a lesson."""

from bnviz.ui.pages import classroom

classroom.show()
