"""The rule of recurrent layers: each step reads the steps up to it."""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.receptive_field.assembly import assembled
from harness.receptive_field.combine import merged
from harness.receptive_field.field_map import FieldMap, nothing
from harness.receptive_field.operations import recur
from harness.receptive_field.rules.registry import Call, register
from harness.receptive_field.sums import mixed, prefixes


@register(recur)
def recurrence(call: Call) -> FieldMap:
    """Each step and the steps before it, so that the last step reads whatever any step reads."""
    source, dim = call.value("input"), call["dim"]
    result = prefixes(source, dim)
    before = torch.Size(n - 1 if d == dim else n for d, n in enumerate(source.shape))
    parts = [nothing(before, call.axes), mixed(source, [dim])]
    last = assembled(parts, lambda labels: torch.cat(list(labels), dim), along=dim)
    return replace(merged([result, last], source.shape), windows=result.windows, aligned=source.aligned)
