"""What the receptive fields of models are held to."""
