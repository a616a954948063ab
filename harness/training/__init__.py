"""Seeds of one step in memory, an epoch at a time. Writes no files but the library of `native`, in the cache."""

from harness.training.ensemble import EnsembleTrainer
from harness.training.train import OnEpoch, OnSteps, silent
from harness.training.trainer import SingleTrainer, Trainer

__all__ = ["EnsembleTrainer", "OnEpoch", "OnSteps", "SingleTrainer", "Trainer", "silent"]
