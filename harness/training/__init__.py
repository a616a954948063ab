"""Seeds of one step in memory, an epoch at a time. Writes no files but the library of `native` and weights."""

from harness.training.train import OnEpoch, OnSteps, ignore_steps
from harness.training.trainer import Trainer

__all__ = ["OnEpoch", "OnSteps", "Trainer", "ignore_steps"]
