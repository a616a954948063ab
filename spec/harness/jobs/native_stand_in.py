"""A stand-in for the native trainer, which is eager inside, and machines for it to train on."""

from typing import Any

import pytest
import torch

from harness import provenance
from harness.training import native
from harness.training.trainer import single_trainer

GCC = {"compiler": "gcc 14", "flags": "-O3 -march=x86-64-v3"}


def stand_in(monkeypatch: pytest.MonkeyPatch, numerics: int = 1, **changes: Any) -> None:
    """Train natively whatever is asked for, with that version of the arithmetic."""
    made = {"trainer": "native", "numerics": numerics, **GCC, **changes}
    monkeypatch.setattr(native, "refusal", lambda step: None)
    monkeypatch.setattr(native, "made", lambda: made)
    monkeypatch.setattr(native, "native_trainer", single_trainer)


def move_to(monkeypatch: pytest.MonkeyPatch, hardware: str, **changes: Any) -> None:
    """From here on the machine has that processor."""
    here = {**provenance.environment(torch.device("cpu")), "hardware": hardware, "cpu": hardware, **changes}
    monkeypatch.setattr(provenance, "environment", lambda device: here)
