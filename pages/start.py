"""The paper, part by part, each with a run beside it; and the other lessons."""

from bnviz.ui.pages import start

start.show()
