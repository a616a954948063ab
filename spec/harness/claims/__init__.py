"""What claims and verdicts are held to."""
