"""The charts of one normalization layer, for the page "Inside"."""
