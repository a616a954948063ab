"""The fields of all units compared with those that the gradient shows."""

from __future__ import annotations

from itertools import product

from torch import nn

from harness.receptive_field import receptive_field
from spec.harness.receptive_field.gradient_oracle import gradient_field


def agrees(model: nn.Module, size: tuple[int, int, int]) -> None:
    """Compare the region of every unit with the gradient."""
    field, oracle = receptive_field(model, size, strict=False), gradient_field(model, size)
    assert field.shape == oracle.shape
    for unit in product(*map(range, field.shape)):
        assert field.region(unit) == oracle.region(unit), unit
