"""The networks of the ladders: one module per ladder, one class per network."""
