"""Field maps of tensors that are computed from others: elementwise, by sums, or by sliding windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.receptive_field.boxes import Field, Sources, centred, field, picked
from harness.receptive_field.field_map import (
    FieldMap,
    NoRuleError,
    compressed,
    laid_along,
    settled,
    stretched,
    usual_dim,
    varying,
)
from harness.receptive_field.lattice import Lattice, Window, whole


def merged(values: Sequence[FieldMap], shape: torch.Size) -> FieldMap:
    """The map of an elementwise operation with broadcasting: the union of what each element reads in the operands."""
    result = _broadcast(values[0], shape)
    for value in values[1:]:
        result = _pair(result, _broadcast(value, shape))
    return replace(result, windows={} if len(values) > 1 else None)


def _broadcast(value: FieldMap, shape: torch.Size) -> FieldMap:
    missing = len(shape) - len(value.shape)
    return replace(
        value,
        shape=shape,
        kinds=value.kinds[(None,) * missing],
        places=tuple(labels[(None,) * missing] for labels in value.places),
    )


def _pair(one: FieldMap, other: FieldMap) -> FieldMap:
    """The union, element by element, of two maps of one shape."""
    if not any(one.fields):
        return other
    if not any(other.fields):
        return one
    left, right, places = list(one.fields), list(other.fields), []
    for axis in one.axes:
        if bool(one.dims(axis)) != bool(other.dims(axis)):
            same, many = (other, one) if one.dims(axis) else (one, other)
            spread = [_spread(boxes, axis, same, many) for boxes in (right if same is other else left)]
            left, right = (left, spread) if same is other else (spread, right)
            places.append(many.places[axis])
            continue
        lengths = {len(box[axis].clipped) for boxes in (*left, *right) for box in boxes}
        labels, sources = _joint(one.places[axis], other.places[axis], alike=len(lengths) == 1)
        places.append(labels)
        if sources is not None:
            left = [picked(boxes, axis, sources[0]) for boxes in left]
            right = [picked(boxes, axis, sources[1]) for boxes in right]
    kinds, pairs = _joint(one.kinds, other.kinds)
    owners = ([(k,) for k in range(min(len(left), len(right)))],) * 2 if pairs is None else pairs
    together = [(left[a[0]], right[b[0]]) for a, b in zip(*owners, strict=True)]
    return FieldMap(
        one.shape,
        tuple(field((*a, *b)) for a, b in together),
        kinds,
        tuple(places),
        one.is_global or other.is_global,
        one.aligned and other.aligned and all(centred(pair) for pair in together),
    )


def _spread(boxes: Field, axis: int, same: FieldMap, many: FieldMap) -> Field:
    """A field that has one unit along an axis, repeated for each unit of a map that has many."""
    unit = int(same.places[axis].flatten()[0])
    lattices = [box[axis] for found in many.fields for box in found]
    jump, outputs = lattices[0].jump, max(len(lattice.clipped) for lattice in lattices)
    return tuple((*box[:axis], box[axis].spread(unit, outputs, jump), *box[axis + 1 :]) for box in boxes)


def _joint(one: Tensor, other: Tensor, alike: bool = True) -> tuple[Tensor, tuple[Sources, Sources] | None]:
    """New labels, one per pair of labels that meet, and the labels of each pair; None if both are the same already."""
    if alike and torch.equal(one, other):
        return one, None
    both = torch.stack(torch.broadcast_tensors(one, other), dim=-1)
    pairs, labels = both.reshape(-1, 2).unique(dim=0, return_inverse=True)
    sources = [(label,) for label in pairs[:, 0].tolist()], [(label,) for label in pairs[:, 1].tolist()]
    return compressed(labels.reshape(both.shape[:-1])), sources


def mixed(value: FieldMap, dims: Sequence[int], groups: int = 1, outputs: int = 1) -> FieldMap:
    """The map after all elements along `dims` are combined; each of these dimensions has length 1 then.

    With `groups`, `dims` is one dimension, divided into groups as the channels of a convolution are, and has `outputs`
    kinds then, the same number from each group.
    """
    for axis in value.axes:
        along = set(varying(value.kinds)) & set(value.dims(axis)) & set(dims)
        if along:
            whole_axis = set(value.dims(axis)) | set(varying(value.kinds)) <= set(dims)
            value = _collapsed(value, axis) if whole_axis else settled(value, axis, min(along))
    value = kinds_mixed(value, dims, groups, outputs)
    windows: dict[int, Window] = {}
    for axis in value.axes:
        if not set(value.dims(axis)) & set(dims):
            continue
        labels, groups_of = _gathered(value.places[axis], dims)
        count = value.units(axis)
        fields = tuple(picked(boxes, axis, groups_of) for boxes in value.fields)
        places = (*value.places[:axis], labels, *value.places[axis + 1 :])
        value = replace(value, fields=fields, places=places)
        if len(groups_of) == 1:
            windows[axis] = whole(count)
    shape = torch.Size(1 if dim in dims else length for dim, length in enumerate(value.shape))
    return replace(value, shape=shape, windows=windows or None)


def _collapsed(value: FieldMap, axis: int) -> FieldMap:
    """The map with one unit along an axis, which reads what all the units of its kind read."""
    labels, kinds = torch.broadcast_tensors(value.places[axis], value.kinds)
    sources = [[tuple(labels[kinds == kind].unique().tolist())] for kind in range(len(value.fields))]
    fields = tuple(picked(boxes, axis, units) for boxes, units in zip(value.fields, sources, strict=True))
    single = torch.zeros([1] * labels.ndim, dtype=torch.int64)
    return replace(value, fields=fields, places=(*value.places[:axis], single, *value.places[axis + 1 :]))


def _gathered(labels: Tensor, dims: Sequence[int]) -> tuple[Tensor, Sources]:
    """New labels, one per set of labels that occurs along `dims`, and these sets."""
    rest = [dim for dim in range(labels.ndim) if dim not in dims]
    rows = labels.permute(*rest, *dims).reshape(*(labels.shape[dim] for dim in rest), -1)
    known: dict[tuple[int, ...], int] = {}
    names = [known.setdefault(tuple(sorted(set(row))), len(known)) for row in rows.reshape(-1, rows.shape[-1]).tolist()]
    shape = [1 if dim in dims else length for dim, length in enumerate(labels.shape)]
    return compressed(torch.tensor(names).reshape(shape)), list(known)


def kinds_mixed(value: FieldMap, dims: Sequence[int], groups: int = 1, outputs: int = 1) -> FieldMap:
    """The map after channels along `dims` are combined, all of them or, along a single dimension, in groups."""
    if not set(varying(value.kinds)) & set(dims) or groups == outputs == value.shape[dims[0]] > 1:
        return value
    if groups == 1:
        labels, sets = _gathered(value.kinds, dims)
    else:
        (dim,) = dims
        parts = [_gathered(part, dims) for part in stretched(value.kinds, dim, value.shape[dim]).chunk(groups, dim)]
        sets = [kinds for _, found in parts for kinds in found]
        first, ids = 0, []
        for part, found in parts:
            ids.append((part + first).repeat_interleave(outputs // groups, dim))
            first += len(found)
        shape = [max(part.shape[d] for part in ids) for d in range(value.kinds.ndim)]
        shape[dim] = outputs // groups
        labels = compressed(torch.cat([part.expand(shape) for part in ids], dim))
    fields = tuple(field([box for kind in kinds for box in value.fields[kind]]) for kinds in sets)
    aligned = value.aligned and all(centred([value.fields[kind] for kind in kinds]) for kinds in sets)
    return replace(value, fields=fields, kinds=labels, aligned=aligned)


def windowed(
    value: FieldMap, windows: Mapping[int, Window], shape: torch.Size, mixing: tuple[int, int] | None = None
) -> FieldMap:
    """The map after an operation that slides a window along dimensions of the tensor.

    Args:
        value: the map that the operation reads.
        windows: the window of each dimension; a dimension along which no axis of the input runs counts as channels.
        shape: the shape of the result.
        mixing: the number of groups and of output channels, if channels are summed.

    """
    dims = _assigned(value, sorted(windows))
    for axis, dim in (*dims.items(), *dims.items()):  # twice, because settling one axis may free a dimension
        value = settled(value, axis, dim)
    if mixing is not None:
        value = mixed(value, [1], *mixing)
    for axis, dim in dims.items():
        value = _slid(value, axis, dim, windows[dim], shape[dim])
    channels = [dim for dim in windows if dim not in dims.values() and windows[dim].kernel > 1]
    value = kinds_mixed(value, channels) if channels else value
    return replace(value, shape=shape, windows={axis: windows[dim] for axis, dim in dims.items()})


def _assigned(value: FieldMap, dims: Sequence[int]) -> dict[int, int]:
    """The dimension of an operation along which each axis of the input runs; the others are channels."""
    found: dict[int, int] = {}
    for axis in value.axes:
        own = [dim for dim in dims if dim in value.dims(axis)]
        usual = usual_dim(value, axis)
        others = {dim for other in value.axes if other != axis for dim in value.dims(other)}
        beside = usual in dims and usual not in others and set(own) <= others
        if own and usual is not None and (usual in own or beside):
            found[axis] = usual
        elif len(own) > 1:
            raise NoRuleError("a window slides along two dimensions that both run along one axis of the input")
        elif own:
            found[axis] = own[0]
    taken = {dim for axis in value.axes for dim in value.dims(axis)}
    free = [dim for dim in dims if dim not in taken]
    single = [axis for axis in value.axes if axis not in found and not set(value.dims(axis)) - {1}]
    found |= {axis: 2 + axis for axis in single if usual_dim(value, axis) in free}
    for axis in single:
        rest = [dim for dim in free if dim not in found.values() and value.shape[dim] == 1]
        if axis not in found and rest and usual_dim(value, axis) in {None, *taken}:
            found[axis] = rest[0]
    return dict(sorted(found.items()))


def _slid(value: FieldMap, axis: int, dim: int, window: Window, outputs: int) -> FieldMap:
    known: dict[Lattice, Lattice] = {}

    def slid(lattice: Lattice) -> Lattice:
        if lattice not in known:
            known[lattice] = lattice.through(window, outputs)
        return known[lattice]

    fields = tuple(field([(*box[:axis], slid(box[axis]), *box[axis + 1 :]) for box in boxes]) for boxes in value.fields)
    places = list(value.places)
    places[axis] = laid_along(torch.arange(outputs), dim, value.places[axis].ndim)
    shape = torch.Size(outputs if d == dim else length for d, length in enumerate(value.shape))
    return replace(value, fields=fields, places=tuple(places), shape=shape)
