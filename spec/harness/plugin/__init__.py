"""What the pytest plugin is held to."""
