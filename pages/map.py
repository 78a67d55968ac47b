"""The Map: how much less careful may I be?"""

from bnviz.ui.pages import map as map_page

map_page.show()
