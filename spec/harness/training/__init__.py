"""What the training is held to."""
