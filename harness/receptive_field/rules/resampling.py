"""The rules of operations that resample a map: what each unit reads of the units around its place."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

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
            given = None if corners else _given_scale(call, dim - 2, len(shape) - 2)
            ratio = Fraction(length - 1, outputs - 1) if corners else given or Fraction(length, outputs)
            windows[dim] = lattice.resampled(ratio, offset, reach, length, outputs)
    return windowed(source, windows, shape)


def _only(outputs: int) -> Window:
    """Each output reads the one input."""
    return Window(((0,),) * outputs, 1, stride=Fraction(1, outputs))


def _given_scale(call: Call, index: int, count: int) -> Fraction | None:
    """The inverse of the scale factor that the model passed: torch prefers it to the ratio of the sizes."""
    suffix = {1: [""], 2: ["_h", "_w"], 3: ["_d", "_h", "_w"]}[count][index]
    scales = call.arguments.get("scale_factors")
    scale = scales[index] if scales else call.arguments.get(f"scales{suffix}")
    return 1 / Fraction(scale).limit_denominator(1 << 16) if scale else None
