"""What the command line is held to."""
