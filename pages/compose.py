"""A lesson of one's own, written part by part."""

from bnviz.ui.pages import compose

compose.show()
