"""The rules of operations that resample a map: what each unit reads of the units around its place."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import torch

from harness.receptive_field import lattice
from harness.receptive_field.combine import windowed
from harness.receptive_field.field_map import FieldMap, laid_along
from harness.receptive_field.lattice import Window
from harness.receptive_field.rules.registry import Call, register

aten = torch.ops.aten


@register(
    aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d, aten._upsample_nearest_exact1d,
    aten._upsample_nearest_exact2d, aten._upsample_nearest_exact3d,
)  # fmt: skip
def nearest(call: Call) -> FieldMap:
    """Each output reads the input next to its place: which one that is depends on how torch rounds, so it is asked."""
    source, shape = call.value("self", "input"), call.shapes[0]
    (name,) = (name for name, argument in call.arguments.items() if isinstance(argument, FieldMap))
    offset = Fraction(1, 2) if "exact" in str(call.op) else Fraction(0)
    windows = {}
    for dim in range(2, len(shape)):
        length, outputs = source.shape[dim], shape[dim]
        places = laid_along(torch.arange(length, dtype=torch.float64), dim, len(shape))
        read = call.repeated({name: places.expand(1, 1, *source.shape[2:])}).movedim(dim, 0)
        units = [int(unit) for unit in read.reshape(outputs, -1)[:, 0]]
        if length == 1:
            windows[dim] = _only(outputs)
            continue
        ratio = _given_scale(call, dim - 2, len(shape) - 2) or Fraction(length, outputs)
        for times in (1, 2):  # for these torch leaves out the scale that it was given
            if units == [unit // times for unit in range(length * times)]:
                ratio = Fraction(1, times)
        formula = lattice.resampled(ratio, offset, 0, length, outputs)
        windows[dim] = replace(formula, edges=tuple((unit,) for unit in units))
    return windowed(source, windows, shape)


@register(aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_trilinear3d, aten.upsample_bicubic2d)
def upsample(call: Call) -> FieldMap:
    """Interpolation: each output reads the inputs around it that have a weight other than zero."""
    source, shape = call.value("self", "input"), call.shapes[0]
    reach = 2 if "cubic" in str(call.op) else 1
    corners = call["align_corners"]
    offset = Fraction(0) if corners else Fraction(1, 2)
    windows = {}
    for dim in range(2, len(shape)):
        length, outputs = source.shape[dim], shape[dim]
        if length == 1:
            windows[dim] = _only(outputs)
        elif corners and outputs == 1:
            windows[dim] = lattice.strided(0, 1)
        else:
            windows[dim] = lattice.resampled(_ratio(call, dim, length, outputs), offset, reach, length, outputs)
    return windowed(source, windows, shape)


@register(aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa)
def antialiased(call: Call) -> FieldMap:
    """Interpolation that reads wider where it shrinks: which inputs have a weight is asked, one input at a time."""
    source, shape = call.value("self"), call.shapes[0]
    reach = 2 if "cubic" in str(call.op) else 1
    windows = {}
    for dim in range(2, len(shape)):
        length, outputs = source.shape[dim], shape[dim]
        others = min(2, shape[5 - dim])  # one column only where the result has one: there torch reads the wrong rows
        inputs = torch.eye(length, dtype=torch.float64)[:, None, :, None].expand(-1, 1, -1, others).transpose(2, dim)
        asked = {"self": inputs.contiguous(), "output_size": [outputs if d == dim else others for d in (2, 3)]}
        weights = call.repeated(asked).select(5 - dim, 0).reshape(length, outputs).t()
        edges = tuple(tuple(row.nonzero()[:, 0].tolist()) for row in weights)
        window = _only(outputs) if length == 1 else _wide(_ratio(call, dim, length, outputs), reach)
        windows[dim] = replace(window, edges=edges)
    return windowed(source, windows, shape)


def _wide(ratio: Fraction, reach: int) -> Window:
    """Each output reads the inputs nearer to its place than `reach` steps of its own, but for those of weight zero."""
    step = max(ratio, Fraction(1))

    def around(output: int) -> tuple[int, ...]:
        place = (output + Fraction(1, 2)) * ratio - Fraction(1, 2)
        near = range(floor(place - reach * step) + 1, ceil(place + reach * step))
        return tuple(tap for tap in near if tap == place or (tap - place) % step)

    taps = tuple(around(o) for o in range(ratio.denominator))
    return Window(taps, max(ratio.numerator, 1), max(map(len, taps)), 0, ratio)


def _ratio(call: Call, dim: int, length: int, outputs: int) -> Fraction:
    """The inputs from one output to the next."""
    if call["align_corners"]:
        return Fraction(length - 1, outputs - 1) if outputs > 1 else Fraction(0)
    return _given_scale(call, dim - 2, len(call.shapes[0]) - 2) or Fraction(length, outputs)


def _only(outputs: int) -> Window:
    """Each output reads the one input."""
    return Window(((0,),) * outputs, 1, stride=Fraction(1, outputs))


def _given_scale(call: Call, index: int, count: int) -> Fraction | None:
    """The inverse of the scale factor that the model passed: torch prefers it to the ratio of the sizes."""
    suffix = {1: [""], 2: ["_h", "_w"], 3: ["_d", "_h", "_w"]}[count][index]
    scales = call.arguments.get("scale_factors")
    scale = scales[index] if scales else call.arguments.get(f"scales{suffix}")
    return 1 / Fraction(scale).limit_denominator(1 << 16) if scale else None
