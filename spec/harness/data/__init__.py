"""What the data are held to."""
