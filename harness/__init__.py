"""The machinery of the ladders: specifications, training, records and what is computed from them."""

from harness.recipe import Recipe
from harness.step import StepSpec, steps

__all__ = ["Recipe", "StepSpec", "steps"]
