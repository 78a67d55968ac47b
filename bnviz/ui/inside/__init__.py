"""The page Inside: one normalization layer, number by number."""
