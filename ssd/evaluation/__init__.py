"""How good a detector is, and why it is not better."""
