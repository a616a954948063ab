"""What the measurements of speed are held to."""
