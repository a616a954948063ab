"""Training steps in C++, with the same bits on every machine."""

from harness.training.native.coverage import NUMERICS, made, native_trainer, refusal
from harness.training.native.trainer import NativeTrainer

__all__ = ["NUMERICS", "NativeTrainer", "made", "native_trainer", "refusal"]
