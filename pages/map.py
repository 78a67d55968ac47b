"""The Map: which settings train?"""

from bnviz.ui.pages import map as map_page

map_page.show()
