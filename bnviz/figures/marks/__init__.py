"""What several charts are drawn with."""
