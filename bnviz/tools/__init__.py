"""Programs that measure bnviz. Nobody who uses bnviz needs them."""
