"""How fast a step trains."""
