"""The networks: one module a ladder, one class a step."""
