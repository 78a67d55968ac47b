"""The paper's claims, one by one."""

from bnviz.ui import labs

labs.show()
