"""The paper's claims, one by one."""

from bnviz.ui.pages import labs

labs.show()
