"""Training steps in C++, with the same bits on every machine."""
