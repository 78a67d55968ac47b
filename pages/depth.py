"""Depth: what reaches the first and the last layers before training, and which depths train."""

from bnviz.ui.pages import depth

depth.show()
