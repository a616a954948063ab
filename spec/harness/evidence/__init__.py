"""What records and their statistics are held to."""
