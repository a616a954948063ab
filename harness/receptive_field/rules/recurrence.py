"""The rules of recurrent layers and of sums so far: each step reads the steps up to it."""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.receptive_field.assembly import assembled
from harness.receptive_field.combine import merged, unweighed
from harness.receptive_field.field_map import FieldMap, nothing
from harness.receptive_field.operations import recur
from harness.receptive_field.rules.registry import Call, register
from harness.receptive_field.sums import mixed, prefixes

aten = torch.ops.aten


@register(recur, aten.cumsum, aten.cumprod, aten.logcumsumexp, aten.cummax, aten.cummin)
def recurrence(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """Each step and the steps before it, so that the last step reads whatever any step reads."""
    source = call.value("input", "self")
    if not source.shape or source.shape[call["dim"]] == 1:
        return (replace(source, windows=None),) * len(call.shapes)
    dim = call["dim"] % len(source.shape)
    result = prefixes(source, dim)
    before = torch.Size(n - 1 if d == dim else n for d, n in enumerate(source.shape))
    parts = [nothing(before, call.axes), mixed(source, [dim])]
    last = assembled(parts, lambda labels: torch.cat(list(labels), dim), along=dim)
    # `result` has the field of each step; `last` only says of the last one that it reads all steps.
    whole = merged([result, unweighed(last, source.shape)], source.shape)
    whole = replace(whole, windows=result.windows, aligned=source.aligned)
    return (whole,) * len(call.shapes)
