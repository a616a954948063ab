"""What jobs, engines and their files are held to."""
