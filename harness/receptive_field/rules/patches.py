"""The rules of patches: unfold and fold (im2col and col2im)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.receptive_field.boxes import Sources
from harness.receptive_field.combine import gathered, windowed
from harness.receptive_field.field_map import FieldMap, is_map, rearranged
from harness.receptive_field.lattice import strided
from harness.receptive_field.rules.registry import Call, register

aten = torch.ops.aten


@register(aten.im2col)
def unfold(call: Call) -> FieldMap:
    """Patches become columns: elements move, and padding, which shifts units, reads nothing."""
    padded = _padded(call.value("self"), [(n, n) for n in call["padding"]])
    numbers = call["kernel_size"], call["dilation"], [0, 0], call["stride"]
    return rearranged(padded, lambda labels: call.op(labels.double(), *numbers).long())


@register(aten.col2im)
def fold(call: Call) -> FieldMap:
    """Columns become patches, whose elements are summed where they overlap."""
    source = call.value("self")
    kernel, sizes, paddings = call["kernel_size"], call["output_size"], call["padding"]
    steps = list(zip(kernel, call["dilation"], call["stride"], strict=True))
    patches = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, (k, d, s) in zip(sizes, paddings, steps, strict=True)]
    columns = rearranged(source, lambda labels: labels.reshape(-1, call.shapes[0][-3], *kernel, *patches))
    covering = [
        [[(i, (o + p - i * d) // s) for i in range(k) if (o + p - i * d) % s == 0] for o in range(n)]
        for n, p, (k, d, s) in zip(sizes, paddings, steps, strict=True)
    ]
    places = [[place for unit in axis for _, place in unit] for axis in covering]
    pads = [
        (max(0, -min(axis)), max(0, max(axis) - n + 1)) if axis else (0, 0)
        for axis, n in zip(places, patches, strict=True)
    ]
    padded = _padded(columns, pads)
    lengths = padded.shape[-2:]
    value = rearranged(padded, lambda labels: labels.transpose(3, 4).flatten(2, 3).flatten(3, 4))
    for axis in range(2):
        value = gathered(value, 2 + axis, _flat(covering[axis], pads[axis][0], lengths[axis]))
    return rearranged(value, lambda labels: labels.reshape(call.shapes[0]))


def _flat(covering: Sequence[Sequence[tuple[int, int]]], before: int, length: int) -> Sources:
    """Offsets in a patch and numbers of patches as places along one dimension that has both."""
    return [tuple(offset * length + before + place for offset, place in unit) for unit in covering]


def _padded(value: FieldMap, pads: Sequence[tuple[int, int]]) -> FieldMap:
    """The map with padding before and after its last dimensions."""
    first = len(value.shape) - len(pads)
    for dim, (before, after) in enumerate(pads, first):
        length = value.shape[dim] + before + after
        if any(dim in value.dims(axis) for axis in value.axes) or is_map(value):
            shape = torch.Size(length if d == dim else n for d, n in enumerate(value.shape))
            value = windowed(value, {dim: strided(-before, 1)}, shape)
        else:
            value = gathered(value, dim, [(place - before,) for place in range(length)])
    return value
