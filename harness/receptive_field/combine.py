"""Field maps of tensors that are computed from others, elementwise or by sliding windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.receptive_field.boxes import Field, Sources, centred, field, jumps, picked, uncounted
from harness.receptive_field.field_map import FieldMap, compressed, is_map, laid_along, numbered, settled, usual_dim
from harness.receptive_field.lattice import Lattice, Window, strided
from harness.receptive_field.sums import mixed


def merged(values: Sequence[FieldMap], shape: torch.Size) -> FieldMap:
    """The map of an elementwise operation with broadcasting: the union of what each element reads in the operands.

    Maps whose labels vary along different dimensions stay beside each other.
    """
    parts: list[FieldMap] = []
    for term in (_broadcast(term, shape) for value in values for term in value.terms):
        place = next((i for i, part in enumerate(parts) if _is_alike(part, term)), len(parts))
        parts[place:] = [_pair(parts[place], term), *parts[place + 1 :]] if place < len(parts) else [term]
    return replace(parts[0], beside=tuple(parts[1:]), windows={} if len(values) > 1 else None)


def _is_alike(one: FieldMap, other: FieldMap) -> bool:
    """Whether labels for the pairs of labels that meet vary along no more dimensions than those of one map do."""
    if not any(one.fields) or not any(other.fields):
        return True
    pairs = zip(one.places, other.places, strict=True)
    return all(torch.broadcast_shapes(a.shape, b.shape).numel() <= max(a.numel(), b.numel()) for a, b in pairs)


def alone(value: FieldMap) -> FieldMap:
    """The map together with those beside it."""
    first, *rest = value.terms
    for term in rest:
        first = _pair(first, term)
    return replace(first, windows=value.windows)


def unweighed(value: FieldMap, shape: torch.Size) -> FieldMap:
    """The map of a gate or a statistic, for all that it scales: nothing that it reads counts in the size."""
    fields = tuple(uncounted(boxes) for boxes in value.fields)
    return replace(_broadcast(value, shape), fields=fields, aligned=True)


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
            left, right = _pairs_renumbered((left, right), axis, sources, is_map(one) and is_map(other))
    kinds, pairs = _joint(one.kinds, other.kinds)
    owners = ([(k,) for k in range(min(len(left), len(right)))],) * 2 if pairs is None else pairs
    together = [(left[a[0]], right[b[0]]) for a, b in zip(*owners, strict=True)]
    return FieldMap(
        one.shape,
        tuple(field((*a, *b)) for a, b in together),
        kinds,
        tuple(places),
        one.aligned and other.aligned and all(centred(pair) for pair in together),
    )


def _pairs_renumbered(
    sides: Sequence[list[Field]], axis: int, sources: Sequence[Sources], maps: bool
) -> list[list[Field]]:
    """The fields of two maps whose units are pairs of units now.

    Pairs have the order of a side that has each unit once; the other side is listed if it has another jump then. In
    maps both sides may have their own jumps, which disagree; elsewhere that means nothing.
    """
    once = [len(set(units)) == len(units) for units in sources]
    result = [
        [picked(boxes, axis, units, listed=not any(once)) for boxes in fields]
        for fields, units in zip(sides, sources, strict=True)
    ]
    if len(jumps([*result[0], *result[1]], axis)) < 2 or (maps and all(once)):
        return result
    for side, natural in enumerate(once):
        if not natural or all(once):
            result[side] = [picked(boxes, axis, sources[side], listed=True) for boxes in sides[side]]
    return result


def _spread(boxes: Field, axis: int, same: FieldMap, many: FieldMap) -> Field:
    """A field that has one unit along an axis, repeated for each unit of a map that has many."""
    unit = int(same.places[axis].flatten()[0])
    lattices = [box[axis] for found in many.fields for box in found]
    outputs = max(len(lattice.clipped) for lattice in lattices)
    return picked(boxes, axis, [(unit,)] * outputs, listed=True)


def _joint(one: Tensor, other: Tensor, alike: bool = True) -> tuple[Tensor, tuple[Sources, Sources] | None]:
    """New labels, one per pair of labels that meet, and the labels of each pair; None if both are the same already."""
    if alike and torch.equal(one, other):
        return one, None
    left, right = torch.broadcast_tensors(one, other)
    many = int(other.max()) + 1
    codes, labels = numbered(left * many + right)
    pairs = torch.stack([codes // many, codes % many], dim=-1)
    sources = [(label,) for label in pairs[:, 0].tolist()], [(label,) for label in pairs[:, 1].tolist()]
    return compressed(labels), sources


def windowed(
    value: FieldMap, windows: Mapping[int, Window], shape: torch.Size, mixing: tuple[int, int] | None = None
) -> FieldMap:
    """The map after an operation that slides a window along dimensions of the tensor.

    Args:
        value: the map that the operation reads.
        windows: the window of each dimension.
        shape: the shape of the result.
        mixing: the number of groups and of output channels, if channels are summed.

    """
    dims = _assigned(value, sorted(windows))
    moving = {dim for dim, window in windows.items() if window != strided(0, 1) or shape[dim] != value.shape[dim]}
    for axis, dim in (*dims.items(), *dims.items()):  # twice, because settling one axis may free a dimension
        if dim in moving or moving & set(value.dims(axis)):
            value = settled(value, axis, dim)
    sliding = {axis: dim for axis, dim in dims.items() if dim in moving}
    if mixing is not None:
        value = mixed(value, [1], *mixing)
    for axis, dim in sliding.items():
        value = _slid(value, axis, dim, windows[dim], shape[dim])
    for dim in moving - set(dims.values()):
        value = gathered(value, dim, [windows[dim].inside(output) for output in range(shape[dim])])
    return replace(value, shape=shape, windows={axis: windows[dim] for axis, dim in dims.items()})


def gathered(value: FieldMap, dim: int, sources: Sources) -> FieldMap:
    """The map whose element o along a dimension combines the elements `sources[o]`; those outside read nothing."""
    length, outputs, most = value.shape[dim], len(sources), max(1, *map(len, sources))
    shape = torch.Size([*value.shape[:dim], outputs, *value.shape[dim + 1 :]])
    index = torch.tensor([[*group, *[-1] * (most - len(group))] for group in sources]).long().reshape(outputs, most)
    outside = (index < 0) | (index >= length)
    if not outside.any() and all(labels.shape[dim] == 1 for labels in (value.kinds, *value.places)):
        return replace(value, shape=shape, windows=None)

    def chosen(labels: Tensor) -> Tensor:
        if labels.shape[dim] == 1:
            return labels.unsqueeze(dim)
        taken = labels.index_select(dim, index.clamp(0, length - 1).flatten())
        return taken.reshape([*labels.shape[:dim], outputs, most, *labels.shape[dim + 1 :]])

    kinds, fields = chosen(value.kinds), value.fields
    if outside.any():
        mask = outside.reshape([outputs if d == dim else most if d == dim + 1 else 1 for d in range(kinds.ndim)])
        kinds, fields = torch.where(mask, len(fields), kinds), (*fields, ())
    places = tuple(chosen(labels) for labels in value.places)
    apart = torch.Size([*shape[: dim + 1], most, *shape[dim + 1 :]])
    summed = mixed(replace(value, shape=apart, fields=fields, kinds=kinds, places=places), [dim + 1])
    kinds, *rest = (compressed(labels.squeeze(dim + 1)) for labels in (summed.kinds, *summed.places))
    return replace(summed, shape=shape, kinds=kinds, places=tuple(rest), windows=None)


def _assigned(value: FieldMap, dims: Sequence[int]) -> dict[int, int]:
    """The dimension of an operation along which each axis of the input runs alone, so that its units can slide.

    They cannot where parts of an axis are apart as samples, such as windows.
    """
    found: dict[int, int] = {}
    for axis in (axis for axis in value.axes if 0 not in value.dims(axis) or 0 in dims):
        own = [dim for dim in dims if dim in value.dims(axis)]
        usual = usual_dim(value, axis)
        others = {dim for other in value.axes if other != axis for dim in value.dims(other)}
        beside = usual in dims and usual not in others and set(own) <= others
        if own and usual is not None and (usual in own or beside):
            found[axis] = usual
        elif len(own) == 1:
            found[axis] = own[0]
    found = {axis: dim for axis, dim in found.items() if list(found.values()).count(dim) == 1}
    apart = {dim for axis in value.axes if axis not in found for dim in value.dims(axis)}
    found = {axis: dim for axis, dim in found.items() if dim not in apart}  # else what is apart would not slide along
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

    fields = tuple(field([box.changed(axis, slid(box[axis])) for box in boxes]) for boxes in value.fields)
    places = list(value.places)
    places[axis] = laid_along(torch.arange(outputs), dim, value.places[axis].ndim)
    shape = torch.Size(outputs if d == dim else length for d, length in enumerate(value.shape))
    return replace(value, fields=fields, places=tuple(places), shape=shape)
