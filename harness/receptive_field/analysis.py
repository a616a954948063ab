"""The receptive field of any torch model, by exact arithmetic on the graph of its operations.

    >>> from harness.receptive_field import receptive_field
    >>> receptive_field(torchvision.models.resnet18(), (3, 224, 224), at="layer4").size
    (435, 435)

Sizes are in input pixels and come as (rows, columns). The recurrences are those of Araujo, Norris and Sim, "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019, carried from intervals to sets
(harness/receptive_field/lattice.py).

What is reported describes the network that predicts: the model is analysed in eval mode, whatever its mode is, from a
copy, and is not changed. An axis that is pooled or flattened whole counts as a kernel of the size of its map. Factors
that scale a map by its own statistics (squeeze-and-excitation gates, group and instance normalization) would make
every field the whole image: they set `is_global` and are otherwise left out.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress
from math import prod
from typing import Any

from torch import nn
from torch.utils._pytree import tree_map

from harness.errors import HarnessError
from harness.receptive_field.boxes import Field, centred, extents, hull
from harness.receptive_field.field_map import FieldMap, JumpMismatchError, NoRuleError, finished, image
from harness.receptive_field.lattice import members
from harness.receptive_field.rules.registry import Call, rule_of
from harness.receptive_field.tracing import Graph, Node, Ref, trace

Pair = tuple[Any, ...]


@dataclass(frozen=True)
class Layer:
    """One row of the table: an operation that moves the field, with every number for each axis.

    Jumps are input pixels between neighbouring units and `rf_*` extents in input pixels, before and after.
    """

    name: str
    operation: str
    n_in: Pair
    kernel: Pair
    padding: Pair
    stride: Pair
    n_out: Pair
    jump_in: Pair
    jump_out: Pair
    rf_in: Pair
    rf_out: Pair


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one tensor read of the input.

    Attributes:
        size: extent in pixels of an interior unit, borders aside; the largest, where units differ.
        stride: pixels from one unit to the next, a Fraction below an upsampling; None where paths disagree.
        padding: minus the first row and column of unit (0, 0), before clipping; the smallest first one of its paths.
        used: rows and columns that an interior unit really reads; fewer than `size` where dilation leaves gaps.
        holes: how many pixels inside the extent of an interior unit no path reads; 0 for a solid field.
        is_global: a global operation lies on a path: every unit may depend on the whole input.
        aligned: wherever paths meet, their fields have the same centre.
        shift_variant: units differ by more than a shift.
        layers: the operations on the paths to the tensor, in order.
        shape: how many units there are along each axis.

    """

    size: tuple[int, ...]
    stride: Pair
    padding: tuple[int, ...]
    used: tuple[int, ...]
    holes: int
    is_global: bool
    aligned: bool
    shift_variant: bool
    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    boxes: Field

    def region(self, unit: Sequence[int]) -> tuple[list[int], ...]:
        """The rows and the columns of the input that a unit reads, sorted and exact, at the border too.

        Args:
            unit: (i, j), where negative numbers count from the end.

        Raises:
            HarnessError: there is no such unit.

        """
        if len(unit) != len(self.shape) or any(not -n <= i < n for i, n in zip(unit, self.shape, strict=True)):
            raise HarnessError(f"there is no unit {tuple(unit)} in a map of {' x '.join(map(str, self.shape))} units")
        seen = [0] * len(self.shape)
        for box in self.boxes:
            read = [lattice.clipped[i] for lattice, i in zip(box, unit, strict=True)]
            if all(read):
                seen = [mask | more for mask, more in zip(seen, read, strict=True)]
        return tuple(members(mask) for mask in seen)


def receptive_field(
    model: nn.Module, input_size: Sequence[int] = (1, 28, 28), at: str | None = None, strict: bool = True
) -> ReceptiveField:
    """Analyse a model.

    Args:
        model: any module that takes one tensor; it is neither run on data nor changed.
        input_size: channels, rows, columns (or channels and any number of axes), without the batch.
        at: where to look: the path of a module ("layer4", "features.12"; a second call of it is "relu_1"), or the name
            of an operation as the table shows it. By default the output of the model.
        strict: whether paths of different strides that meet are an error.

    Raises:
        JumpMismatchError: paths of different strides meet and `strict` is true.
        NoRuleError: an operation has no rule; the message names it and says how to register one. Or there can be
            none: the tensor is computed from indices, or is one of indices itself.
        HarnessError: the model does not run on this size, or `at` names nothing.

    """
    size = tuple(input_size)
    if len(size) < 2 or any(not isinstance(n, int) or n < 1 for n in size):
        raise HarnessError(f"input_size must be channels and at least one axis, positive integers, not {input_size!r}")
    if not isinstance(model, nn.Module):
        raise HarnessError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    graph = trace(model, size)
    target = find(graph, at)
    layers: list[Layer] = []
    known: dict[Ref, FieldMap] = {}
    for index in graph.live(target):
        node = graph.nodes[index]
        values = _evaluated(node, known, size)
        for output, value in enumerate(values):
            known[Ref(index, output)] = value
            if strict:
                _check_jumps(value, node)
        layers += _rows(node, values, known)
    if target not in known:
        what = "the model returns" if at is None else f"at={at!r} names"
        made = graph.nodes[target.node].function
        raise NoRuleError(f"{what} an output of {made}, such as indices, that has no receptive field")
    return _summary(finished(known[target]), tuple(layers))


def find(graph: Graph, at: str | None) -> Ref:
    """The tensor that `at` names."""
    if at is None:
        outputs = graph.outputs
        if not outputs:
            raise HarnessError("the model returns no tensor that depends on its input")
        if len(outputs) > 1:
            names = " or ".join(map(repr, outputs))
            raise HarnessError(f"the model returns {len(outputs)} tensors: say which with at={names}")
        return next(iter(outputs.values()))
    alike = {name.replace(".", "_"): ref for name, ref in graph.names.items()}
    found = graph.names.get(at, alike.get(at))
    if found is None:
        near = difflib.get_close_matches(at, graph.names, cutoff=0.0)
        raise HarnessError(f"no tensor is named {at!r}; near it: {', '.join(near)}")
    return found


def _evaluated(node: Node, known: dict[Ref, FieldMap], size: tuple[int, ...]) -> tuple[FieldMap, ...]:
    """Apply the rule of a node."""
    if node.op is None:
        return (image(node.outputs[0].shape, 2),)
    rule = rule_of(node.op)
    if rule is None:
        raise NoRuleError(
            f"{node.function} ({node.op}) at {node.name} has no receptive-field rule; write one and make it known with"
            f" harness.receptive_field.rules.registry.register(torch.ops.{node.op.overloadpacket!s})"
        )
    if any(ref not in known for ref in node.reads):
        raise NoRuleError(
            f"{node.function} at {node.name} reads an output, such as indices, that has no receptive field"
        )
    arguments = tree_map(lambda leaf: known[leaf] if isinstance(leaf, Ref) else leaf, node.arguments)
    shapes = [tensor.shape for tensor in node.outputs]
    try:
        result = rule(Call(node.function, node.op, arguments, shapes, len(size) - 1))
    except NoRuleError as error:
        raise NoRuleError(f"{error} (at {node.name}); register(...) takes a rule of your own") from error
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise NoRuleError(
            f"the rule of {node.function} ({node.op}) does not cover its use at {node.name}: {error};"
            " register(...) takes a rule of your own"
        ) from error
    return result if isinstance(result, tuple) else (result,)


def _check_jumps(value: FieldMap, node: Node) -> None:
    for axis in value.axes:
        if value.jump(axis) is None and value.units(axis) > 1 and any(value.fields):
            jumps = sorted({box[axis].jump for boxes in value.fields for box in boxes})
            raise JumpMismatchError(
                f"paths with strides of {' and '.join(map(str, jumps))} input pixels meet at {node.name}: no single"
                " receptive field describes all units; strict=False still gives the region of each"
            )


def _rows(node: Node, values: tuple[FieldMap, ...], known: dict[Ref, FieldMap]) -> list[Layer]:
    """The row of a node that moves the field, if it does."""
    value = values[0]
    if value.windows is None or not any(value.fields):
        return []
    source = known[node.reads[0]]
    windows = [value.windows.get(axis) for axis in value.axes]

    def each(function: Any) -> Pair:
        return tuple(_plain(function(axis)) for axis in value.axes)

    return [
        Layer(
            name=node.name,
            operation=node.function,
            n_in=each(source.units),
            kernel=tuple(1 if window is None else window.kernel for window in windows),
            padding=tuple(0 if window is None else window.padding for window in windows),
            stride=tuple(1 if window is None else _plain(window.stride) for window in windows),
            n_out=each(value.units),
            jump_in=each(source.jump),
            jump_out=each(value.jump),
            rf_in=each(source.size),
            rf_out=each(value.size),
        )
    ]


def _plain(number: Any) -> Any:
    return number.numerator if isinstance(number, Fraction) and number.denominator == 1 else number


def _summary(value: FieldMap, layers: tuple[Layer, ...]) -> ReceptiveField:
    boxes = value.united()
    reads = [extents(boxes, axis, value.units(axis)) for axis in value.axes]
    interior = [max(axis, key=hull) for axis in reads]
    size = tuple(hull(reach) for reach in interior)
    return ReceptiveField(
        size=size,
        stride=tuple(_plain(value.jump(axis)) for axis in value.axes),
        padding=tuple(-axis[0][0] for axis in reads),
        used=tuple(max(reach[1].bit_count() for reach in axis) for axis in reads),
        holes=_holes(boxes, interior, reads),
        is_global=value.is_global,
        aligned=value.aligned and centred(value.fields),
        shift_variant=any(len(axis) > 1 for axis in reads),
        layers=layers,
        shape=tuple(value.units(axis) for axis in value.axes),
        boxes=boxes,
    )


def _holes(boxes: Field, interior: list[Any], reads: list[list[Any]]) -> int:
    """The pixels inside the extent of the widest interior unit that no box holds."""
    units = [axis.index(reach) for axis, reach in zip(reads, interior, strict=True)]
    masks = []
    for box in boxes:
        reaches = [lattice.reach(unit) for lattice, unit in zip(box, units, strict=True)]
        masks.append([mask << low - first[0] for (low, mask), first in zip(reaches, interior, strict=True) if mask])
    return prod(map(hull, interior)) - _area([box for box in masks if len(box) == len(interior)])


def _area(boxes: list[list[int]]) -> int:
    """The number of points in a union of boxes, each a set of positions for every axis, as bits."""
    if not boxes or not boxes[0]:
        return len(boxes[:1])
    held = Counter(tuple(box[0] >> i & 1 for box in boxes) for i in range(max(box[0] for box in boxes).bit_length()))
    return sum(count * _area([box[1:] for box in compress(boxes, which)]) for which, count in held.items())
