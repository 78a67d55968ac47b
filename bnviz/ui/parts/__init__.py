"""What pages share: controls, live figures, links, sharing with a class, kept runs."""
