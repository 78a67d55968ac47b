"""What one batch-normalization layer does, number by number."""

from bnviz.ui.inside import page

page.show()
