"""The machinery of the ladders: specifications, training, records and what is computed from them."""

from harness.ladder import steps
from harness.recipe import Recipe
from harness.step_spec import StepSpec

__all__ = ["Recipe", "StepSpec", "steps"]
