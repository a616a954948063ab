"""What the report and the generated texts are held to."""
