"""The receptive field of any torch model, by exact arithmetic on the graph of its operations.

    >>> from harness.receptive_field import receptive_field
    >>> receptive_field(torchvision.models.resnet18(), (3, 224, 224), at="layer4").size
    (435, 435)

Sizes are in input pixels, as (rows, columns). The recurrences are those of Araujo, Norris and Sim, "Computing Receptive
Fields of Convolutional Neural Networks", Distill 2019, generalized from intervals to sets; see
`harness.receptive_field.lattice`.

The analysis works on a copy of the model in eval mode. An axis that is pooled or flattened whole counts as a kernel of
the size of its map. Factors that scale a map by its own statistics (squeeze-and-excitation gates, group and instance
normalization) would make every field the whole image: the size leaves them out, and so do all numbers but `region` and
`is_global`, which are about all that a unit depends on.

Weights and constant factors count as if none were zero: a causal mask, a masked kernel or `masked_fill` hides nothing.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import compress
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from harness.errors import HarnessError
from harness.receptive_field.boxes import Field, centred, counted, extents, hull, jumps
from harness.receptive_field.combine import alone
from harness.receptive_field.field_map import FieldMap, JumpMismatchError, NoRuleError, finished, image, is_map
from harness.receptive_field.graph import Graph, Node, Ref
from harness.receptive_field.lattice import strided
from harness.receptive_field.reach import NOTHING, Reach, union
from harness.receptive_field.result import Layer, PerAxis, ReceptiveField, integers
from harness.receptive_field.rules.registry import Call, applied, rule_of
from harness.receptive_field.tracing import trace


def receptive_field(
    model: nn.Module, input_size: Sequence[int] = (1, 28, 28), at: str | None = None, strict: bool = True
) -> ReceptiveField:
    """Analyse the receptive field of a model.

    Args:
        model: any module that takes one tensor; it is neither run on data nor changed.
        input_size: channels, rows and columns (or channels and any number of axes), without the batch.
        at: the tensor to analyse: the path of a module ("layer4", "features.12"; its second call is "relu_1"), one of
            several tensors that a module returns ("lstm.0"), or the name of an operation as in the table of layers; by
            default the output of the model.
        strict: whether it is an error when paths of different strides meet.

    Raises:
        JumpMismatchError: paths of different strides meet and `strict` is true.
        NoRuleError: an operation has no rule, and the message says how to register one; or the model needs the values
            of its input; or the tensor consists of indices or is computed from them, and has no receptive field.
        HarnessError: the model does not run on this size, or `at` names nothing or several tensors.

    """
    [field] = receptive_fields(model, input_size, [at], strict)
    return field


def receptive_fields(
    model: nn.Module, input_size: Sequence[int], at: Sequence[str | None], strict: bool = True
) -> list[ReceptiveField]:
    """The receptive fields of several tensors of a model, which is traced once; arguments as of `receptive_field`."""
    size = integers(input_size)
    if len(size) < 2 or min(size) < 1:
        raise HarnessError(f"input_size must be channels and at least one axis, positive integers, not {input_size!r}")
    if not isinstance(model, nn.Module):
        raise HarnessError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    for name in at:
        if not isinstance(name, (str, type(None))):
            raise HarnessError(f"at must be the name of a tensor, not {type(name).__name__}")
    graph = trace(model, size)
    with torch._C.DisableTorchFunction():  # else labels would be on the device on which a program makes its tensors
        return [_field(graph, size, name, strict) for name in at]


def _field(graph: Graph, size: tuple[int, ...], at: str | None, strict: bool) -> ReceptiveField:
    target = _target(graph, at)
    layers: list[Layer] = []
    known: dict[Ref, FieldMap] = {}
    for index in graph.live(target):
        node = graph.nodes[index]
        values = _evaluated(node, known, size)
        for output, value in enumerate(values):
            known[Ref(index, output)] = value
            if strict and (is_map(value) or Ref(index, output) == target):
                _check_jumps(value, node)
        if values[0].windows is not None and any(values[0].fields):
            layers.append(_row(node, values[0], known[node.reads[0]]))
    if target not in known:
        what = "the model returns" if at is None else f"at={at!r} names"
        function = graph.nodes[target.node].function
        raise NoRuleError(f"{what} an output of {function}, such as indices, that has no receptive field")
    return _summary(finished(alone(known[target])), tuple(layers))


def _target(graph: Graph, at: str | None) -> Ref:
    """The tensor that `at` names."""
    parts = graph.parts.get("output" if at is None else at, {})
    if at is None and not parts:
        raise HarnessError("the model returns no tensor that depends on its input")
    if len(parts) > 1 and at not in graph.names:
        names, whose = " or ".join(map(repr, parts)), "the model" if at is None else at
        raise HarnessError(f"{whose} returns {len(parts)} tensors; say at which of them: {names}")
    if at is None or (parts and at not in graph.names):
        return next(iter(parts.values()))
    underscored = {name.replace(".", "_"): ref for name, ref in graph.names.items()}
    ref = graph.names.get(at, underscored.get(at))
    if ref is None:
        near = difflib.get_close_matches(at, graph.names, cutoff=0.0)
        raise HarnessError(f"no tensor is named {at!r}; near it: {', '.join(near)}")
    return ref


def _evaluated(node: Node, known: dict[Ref, FieldMap], size: tuple[int, ...]) -> tuple[FieldMap, ...]:
    """The maps of the outputs of a node, by its rule."""
    if node.op is None:
        return (image(node.shapes[0], 2),)
    rule = rule_of(node.op)
    if rule is None:
        raise NoRuleError(
            f"{node.function} ({node.op}) at {node.name} has no receptive-field rule; write one and make it known with"
            f" harness.receptive_field.register(torch.ops.{node.op.overloadpacket!s})"
        )
    if any(ref not in known for ref in node.reads):
        raise NoRuleError(
            f"{node.function} at {node.name} reads an output, such as indices, that has no receptive field"
        )
    arguments = tree_map(lambda leaf: known[leaf] if isinstance(leaf, Ref) else leaf, node.arguments)
    try:
        return applied(rule, Call(node.function, node.op, arguments, node.shapes, len(size) - 1))
    except NoRuleError as error:
        raise NoRuleError(f"{error} (at {node.name}); register(...) takes a rule of your own") from error
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise NoRuleError(
            f"the rule of {node.function} ({node.op}) does not cover its use at {node.name}: {error};"
            " register(...) takes a rule of your own"
        ) from error


def _check_jumps(value: FieldMap, node: Node) -> None:
    for axis in value.axes:
        found = sorted(jumps(value.fields, axis))
        if len(found) > 1 and value.units(axis) > 1:
            raise JumpMismatchError(
                f"paths with strides of {' and '.join(map(str, found))} input pixels meet at {node.name}: no single"
                " receptive field describes all units; strict=False still gives the region of each"
            )


def _row(node: Node, value: FieldMap, source: FieldMap) -> Layer:
    """The row in the table of layers of a node that moves the field."""
    windows = [(value.windows or {}).get(axis, strided(0, 1)) for axis in value.axes]

    def each(function: Any) -> PerAxis:
        return tuple(_integral(function(axis)) for axis in value.axes)

    return Layer(
        name=node.name,
        operation=node.function,
        n_in=each(source.units),
        kernel=tuple(window.kernel for window in windows),
        padding=tuple(window.padding for window in windows),
        stride=tuple(_integral(window.stride) for window in windows),
        n_out=each(value.units),
        jump_in=each(source.jump),
        jump_out=each(value.jump),
        rf_in=each(source.size),
        rf_out=each(value.size),
    )


def _integral(number: Any) -> Any:
    """An integer for a fraction that is one."""
    return number.numerator if isinstance(number, Fraction) and number.denominator == 1 else number


def _summary(value: FieldMap, layers: tuple[Layer, ...]) -> ReceptiveField:
    boxes = value.united()
    reads = [extents(boxes, axis, value.units(axis)) for axis in value.axes]
    known = counted(boxes)
    first = [box for box in known if all(lattice.reach(0) != NOTHING for lattice in box)] or known
    return ReceptiveField(
        size=tuple(max(map(hull, axis)) for axis in reads),
        stride=tuple(_integral(value.jump(axis)) for axis in value.axes),
        padding=tuple(-reduce(union, (box[axis].reach(0) for box in first), NOTHING)[0] for axis in value.axes),
        used=tuple(max(reach[1].bit_count() for reach in axis) for axis in reads),
        holes=_holes(known, reads),
        is_global=_area([[lattice.whole for lattice in box] for box in boxes]) == prod(map(value.units, value.axes)),
        aligned=value.aligned and centred(value.fields),
        shift_variant=any(len(axis) > 1 for axis in reads),
        layers=layers,
        shape=tuple(value.units(axis) for axis in value.axes),
        boxes=boxes,
    )


def _holes(boxes: Field, reads: list[list[Reach]]) -> int:
    """The number of pixels inside the extent of the widest interior unit that no box reads."""
    units = [axis.index(max(axis, key=hull)) for axis in reads]
    found = [[lattice.reach(unit) for lattice, unit in zip(box, units, strict=True)] for box in boxes]
    present = [box for box in found if NOTHING not in box]
    extent = [reduce(union, axis) for axis in zip(*present, strict=True)] or [NOTHING]
    masks = [[mask << low - first for (low, mask), (first, _) in zip(box, extent, strict=True)] for box in present]
    return prod(map(hull, extent)) - _area(masks)


def _area(boxes: list[list[int]]) -> int:
    """The number of points in a union of boxes, each with a mask of positions per axis."""
    if not boxes or not boxes[0]:
        return len(boxes[:1])
    if len(boxes[0]) == 1:
        return reduce(int.__or__, (mask for (mask,) in boxes)).bit_count()
    length = max(box[0] for box in boxes).bit_length()
    slices = Counter(tuple(box[0] >> i & 1 for box in boxes) for i in range(length))  # the boxes at each position
    return sum(count * _area([box[1:] for box in compress(boxes, which)]) for which, count in slices.items())
