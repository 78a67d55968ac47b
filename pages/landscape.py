"""The Landscape: how smooth is the loss?"""

from bnviz.ui.pages import landscape

landscape.show()
