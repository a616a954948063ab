"""The specification of the harness itself."""
