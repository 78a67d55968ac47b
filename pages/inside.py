"""What one batch-normalization layer does, number by number."""

from bnviz.ui import inside

inside.show()
