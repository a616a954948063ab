"""The rules of operations that move or join elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from harness.receptive_field import lattice, operations
from harness.receptive_field.assembly import assembled
from harness.receptive_field.combine import merged, windowed
from harness.receptive_field.field_map import FieldMap, NoRuleError, nothing, rearranged, relabelled
from harness.receptive_field.rules.registry import Call, register

aten = torch.ops.aten


@register(
    aten.expand, aten.slice, aten.select, aten.squeeze, aten.unsqueeze, aten.pixel_shuffle, aten.pixel_unshuffle,
    aten.channel_shuffle, aten.native_channel_shuffle, aten.index, aten.unfold, aten.repeat, aten.tile, aten.diagonal,
    aten.diagonal_copy, aten.unbind, aten.split, aten.chunk, aten.split_with_sizes, aten.unsafe_split,
    aten.unsafe_split_with_sizes, aten.unsafe_chunk,
)  # fmt: skip
def rearrange(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """Elements move and none is computed, so the operation itself is applied to their labels."""
    leaves = tree_leaves(call.arguments, is_leaf=lambda leaf: isinstance(leaf, FieldMap))
    if len(call.values) != 1 or sum(isinstance(leaf, FieldMap) for leaf in leaves) != 1:
        raise NoRuleError(f"{call.function} with indices computed from the input")
    if any(isinstance(leaf, Tensor) and leaf.is_meta for leaf in leaves):
        raise NoRuleError(f"{call.function} with indices that have no data, as in a model on the meta device")
    (name,) = (name for name, argument in call.arguments.items() if isinstance(argument, FieldMap))

    def moves(output: int) -> Callable[[Tensor], Tensor]:
        def move(labels: Tensor) -> Tensor:
            result = call.repeated({name: labels})
            return result if isinstance(result, Tensor) else result[output]

        return move

    source = call.value(name)
    if len(call.shapes) == 1 and call.op._schema.returns[0].type.kind() != "ListType":
        return rearranged(source, moves(0))
    return tuple(rearranged(source, moves(output)) for output in range(len(call.shapes)))


@register(aten.index_select, aten.gather, aten.take_along_dim, aten.embedding)
def choose(call: Call) -> FieldMap | tuple[FieldMap, ...]:
    """Constant indices choose elements, which move; indices computed from the input choose from a constant table."""
    computed = [name for name, argument in call.arguments.items() if isinstance(argument, FieldMap)]
    if computed not in (["index"], ["indices"]):
        return rearrange(call)
    (indices,), shape = call.values, call.shapes[0]
    along = call["dim"] % len(shape) + 1 if call.op.overloadpacket is aten.index_select else len(indices.shape)
    after = [1] * (len(shape) - along)
    return rearranged(indices, lambda labels: labels.reshape(*indices.shape, *after).expand(shape))


@register(
    aten.permute, aten.permute_copy, aten.transpose, aten.t, aten.movedim, aten.swapaxes, aten.roll, aten.flip,
    aten.rot90,
)  # fmt: skip
def turn(call: Call) -> FieldMap:
    """Dimensions change places, or elements along them do; a dimension of labels may have length 1.

    Without dimensions, rolling flattens, so that all elements need labels.
    """
    (name,) = (name for name, argument in call.arguments.items() if isinstance(argument, FieldMap))

    def move(labels: Tensor) -> Tensor:
        moved: Tensor = call.repeated({name: labels})
        return moved

    if call.op.overloadpacket is aten.roll and not call["dims"]:
        return rearranged(call.value(name), move)
    return relabelled(call.value(name), call.shapes[0], move)


@register(aten.view, aten._unsafe_view, aten.reshape, aten._reshape_alias, aten.view_copy)
def reshape(call: Call) -> FieldMap:
    """The same elements in the same order. Dimensions that are joined or split by themselves stay apart."""
    source, shape = call.value("self"), call.shapes[0]
    groups = _joined_or_split(source.shape, shape)

    def move(labels: Tensor) -> Tensor:
        short = [all(labels.shape[dim] == 1 for dim in old) for old, _ in groups]
        before = [1 if s else source.shape[dim] for s, (old, _) in zip(short, groups, strict=True) for dim in old]
        after = [1 if s else shape[dim] for s, (_, new) in zip(short, groups, strict=True) for dim in new]
        return labels.expand(before).reshape(after)

    return relabelled(source, shape, move)


def _joined_or_split(old: torch.Size, new: torch.Size) -> list[tuple[range, range]]:
    """Groups of neighbouring dimensions, old and new, with the same number of elements, as small as can be."""
    groups, i, j, begin = [], 0, 0, (0, 0)
    while i < len(old) or j < len(new):
        if i < len(old) and (j == len(new) or old[begin[0] : i].numel() <= new[begin[1] : j].numel()):
            i += 1
        else:
            j += 1
        whole = old[begin[0] : i].numel() == new[begin[1] : j].numel()
        if whole and (old[i:].numel() == new[j:].numel()):
            groups.append((range(begin[0], i), range(begin[1], j)))
            begin = (i, j)
    return groups


@register(operations.read)
def read_memory(call: Call) -> FieldMap:
    """What a view shows of a block of memory that was written to."""
    return rearranged(call.value("memory"), lambda labels: _memory(labels, call).as_strided(*_part_of(call)).clone())


@register(operations.write)
def write_memory(call: Call) -> FieldMap:
    """A block of memory, part of which was replaced through a view of it."""

    def move(labels: Sequence[Tensor]) -> Tensor:
        memory = _memory(labels[0], call)
        memory.as_strided(*_part_of(call)).copy_(labels[1])
        return memory.as_strided(call["whole_size"], call["whole_stride"], call["whole_offset"]).clone()

    return assembled([call.value("memory"), call.value("source")], move)


def _memory(labels: Tensor, call: Call) -> Tensor:
    """A block of memory with the labels of the tensor that shows all of it."""
    size, stride, offset = call["whole_size"], call["whole_stride"], call["whole_offset"]
    length = 1 + offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    memory = labels.new_empty(length)
    memory.as_strided(size, stride, offset).copy_(labels)
    return memory


def _part_of(call: Call) -> tuple[Sequence[int], Sequence[int], int]:
    return call["part_size"], call["part_stride"], call["part_offset"]


@register(
    aten._to_copy, aten.lift_fresh_copy, aten.lift, aten.native_dropout, aten.clone, aten.alias,
    aten.detach, aten.contiguous,
)  # fmt: skip
def unmoved(call: Call) -> FieldMap:
    """Each element stays where it is."""
    return replace(call.values[0], windows=None)


@register(
    aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like, aten.new_empty,
    aten.new_zeros, aten.new_ones, aten.new_full, aten.randint_like, aten.new_empty_strided, aten.fill, aten.zero,
    aten.uniform, aten.exponential, aten.normal_functional, aten._new_zeros_with_same_feature_meta,
)  # fmt: skip
def blank(call: Call) -> FieldMap:
    """A tensor that does not depend on the elements of its operand, only on a value that fills it."""
    filling, shape = call.arguments.get("value"), call.shapes[0]
    return merged([filling if isinstance(filling, FieldMap) else nothing(shape, call.axes)], shape)


@register(aten.bernoulli)
def drawn(call: Call) -> FieldMap:
    """Zeros and ones, which depend on what has their probabilities: the operand, or a tensor in its place."""
    chances, shape = call.arguments.get("p", call["self"]), call.shapes[0]
    return merged([chances if isinstance(chances, FieldMap) else nothing(shape, call.axes)], shape)


@register(aten.cat, aten.stack)
def concatenate(call: Call) -> FieldMap:
    """Parts side by side: along channels each keeps its own field, along space its own units."""
    parts = [
        part if isinstance(part, FieldMap) else nothing(part.shape, call.axes)
        for part in call["tensors"]
        if 0 not in part.shape
    ]
    dim = call["dim"] % len(call.shapes[0])
    if call.op.overloadpacket is aten.stack:
        parts = [rearranged(part, lambda labels: labels.unsqueeze(dim)) for part in parts]
    return assembled(parts, _side_by_side(dim), along=dim)


def _side_by_side(dim: int) -> Callable[[Sequence[Tensor]], Tensor]:
    return lambda parts: torch.cat(list(parts), dim)


@register(aten.slice_scatter, aten.select_scatter)
def scatter(call: Call) -> FieldMap:
    """A slice of one tensor is replaced by another."""
    parts = [call.value("self"), call.value("src")]
    return assembled(parts, lambda labels: call.repeated({"self": labels[0], "src": labels[1]}))


@register(aten.index_put)
def index_put(call: Call) -> FieldMap:
    """Chosen elements of one tensor are replaced by those of another."""
    parts = [call.value("self"), call.value("values")]
    if call["accumulate"] or any(isinstance(index, FieldMap) for index in call["indices"]):
        raise NoRuleError(f"{call.function} that adds, or with indices computed from the input")
    return assembled(parts, lambda labels: call.repeated({"self": labels[0], "values": labels[1]}))


@register(aten.copy)
def copy(call: Call) -> FieldMap:
    """All elements of a tensor are replaced by those of another."""
    return merged([call.value("src")], call.shapes[0])


@register(aten.constant_pad_nd)
def constant_pad(call: Call) -> FieldMap:
    """Padding shifts units and reads nothing; negative padding crops. Padded channels depend on nothing."""
    source, shape = call.value("self"), call.shapes[0]
    pads = {len(shape) - 1 - i: (call["pad"][2 * i], call["pad"][2 * i + 1]) for i in range(len(call["pad"]) // 2)}
    pads = {dim: pad for dim, pad in pads.items() if any(pad)}
    spatial = [dim for dim in pads if dim >= len(shape) - call.axes or any(dim in source.dims(a) for a in source.axes)]
    between = torch.Size(n if d in spatial else source.shape[d] for d, n in enumerate(shape))
    result = windowed(source, {dim: lattice.strided(-pads[dim][0], 1) for dim in spatial}, between)
    for dim in (dim for dim in pads if dim not in spatial):
        before, after = pads[dim]
        if min(before, after) < 0:
            raise NoRuleError(f"{call.function} that crops channels")
        blanks = [
            nothing(torch.Size(n if d == dim else m for d, m in enumerate(result.shape)), call.axes) for n in pads[dim]
        ]
        result = assembled([blanks[0], result, blanks[1]], _side_by_side(dim), along=dim)
    return result


@register(
    aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d,
    aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d,
)  # fmt: skip
def mirror_pad(call: Call) -> FieldMap:
    """Padding with pixels from inside: a shift for interior units, a fold (or the last pixel) for those at a border."""
    source, shape = call.value("self"), call.shapes[0]
    windows = {}
    for i in range(len(call["padding"]) // 2):
        dim = len(shape) - 1 - i
        last, before = source.shape[dim] - 1, call["padding"][2 * i]
        places = [o - before for o in range(shape[dim])]
        if "reflection" in str(call.op):
            edges = tuple((last - abs(last - abs(place)),) for place in places)
        else:
            edges = tuple((min(max(place, 0), last),) for place in places)
        windows[dim] = replace(lattice.strided(-before, 1), edges=edges)
    return windowed(source, windows, shape)


@register(aten.glu)
def gated_linear_unit(call: Call) -> FieldMap:
    """The first half of a dimension times a function of the second half."""
    source = call.value("self")
    dim = call["dim"] % len(source.shape)
    halves = [rearranged(source, partial(_half, dim, which)) for which in range(2)]
    return merged(halves, call.shapes[0])


def _half(dim: int, which: int, labels: Tensor) -> Tensor:
    return labels.chunk(2, dim)[which]
