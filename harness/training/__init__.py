"""Seeds of one step in memory, an epoch at a time. Writes no files but the library of `native` and weights."""

from harness.training.train import OnEpoch, OnSteps, ignore_steps

__all__ = ["OnEpoch", "OnSteps", "ignore_steps"]
