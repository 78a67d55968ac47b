"""What every chart stands on: the frame, its colours and themes, its axes, and words for arms, layers and numbers."""
