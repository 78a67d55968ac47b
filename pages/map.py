"""The Map: how much less careful may I be?"""

from bnviz.ui import map as map_page

map_page.show()
