"""What the elements of one tensor read of the input, and how that follows them when they are rearranged.

A **field map** says, for every element of a tensor, which field it has (its kind) and which unit of that field it is
along each axis of the input (its places). Kinds and places are tensors of integer labels, of length 1 along every
dimension where they do not vary. Whatever rearranges the tensor (view, permute, roll, shuffle, ...) is described
exactly by doing the same to its labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.receptive_field.boxes import Box, Field, Sources, continued, extents, field, hull, jumps, picked
from harness.receptive_field.lattice import Window, pixels


class JumpMismatchError(HarnessError):
    """Paths of different stride meet, so that no single receptive field describes all units."""


class NoRuleError(HarnessError):
    """An operation has no rule, or a use of a tensor has no receptive field."""


@dataclass(frozen=True)
class FieldMap:
    """What every element of a tensor reads: element e is unit `places[axis][e]` of `fields[kinds[e]]`.

    `aligned` describes all paths to the tensor, as in `ReceptiveField`. `windows` are those of the operation that
    computed it, by axis, for the table of layers; None if it moves no field. `beside` are further maps of the same
    shape, whose elements the elements of this one read as well: attention weights read a query along one dimension and
    a key along another, and labels for all their pairs would be many.
    """

    shape: torch.Size
    fields: tuple[Field, ...]
    kinds: Tensor
    places: tuple[Tensor, ...]
    aligned: bool = True
    windows: Mapping[int, Window] | None = None
    beside: tuple[FieldMap, ...] = ()

    @property
    def axes(self) -> range:
        """The axes of the input."""
        return range(len(self.places))

    def dims(self, axis: int) -> list[int]:
        """The dimensions of the tensor along which an axis of the input runs."""
        return varying(self.places[axis])

    def units(self, axis: int) -> int:
        """The number of different units along an axis of the input."""
        return len(numbered(self.places[axis])[0])

    @property
    def terms(self) -> list[FieldMap]:
        """The map alone, and then those beside it."""
        return [replace(self, beside=()), *self.beside]

    def united(self) -> Field:
        """The field of all kinds together, since a unit stands for all its channels."""
        return field([box for boxes in self.fields for box in boxes])

    def size(self, axis: int) -> int:
        """The largest extent of an interior unit."""
        boxes = tuple(box for boxes in self.fields for box in boxes)
        return max(map(hull, extents(boxes, axis, self.units(axis))), default=0)

    def jump(self, axis: int) -> Fraction | None:
        """Input pixels between neighbouring units, or None where paths disagree."""
        lattices = [box[axis] for boxes in self.fields for box in boxes if box.counted]
        most = max((len(lattice.clipped) for lattice in lattices), default=0)
        found = jumps(self.fields, axis) or {part.jump for part in lattices if len(part.clipped) == most} - {0}
        return found.pop() if len(found) == 1 else None


def image(shape: torch.Size, first: int) -> FieldMap:
    """The field map of the input of a model, whose dimensions from `first` on are the axes."""
    box = Box(tuple(pixels(length) for length in shape[first:]))
    places = tuple(laid_along(torch.arange(shape[dim]), dim, len(shape)) for dim in range(first, len(shape)))
    return FieldMap(shape, ((box,),), torch.zeros([1] * len(shape), dtype=torch.int64), places)


def nothing(shape: torch.Size, axes: int) -> FieldMap:
    """The field map of a tensor that does not depend on the input."""
    flat = torch.zeros([1] * len(shape), dtype=torch.int64)
    return FieldMap(shape, ((),), flat, (flat,) * axes)


def varying(labels: Tensor) -> list[int]:
    """The dimensions along which labels vary."""
    return [dim for dim, length in enumerate(labels.shape) if length > 1]


def compressed(labels: Tensor) -> Tensor:
    """The same labels with length 1 along every dimension where they do not vary."""
    for dim in range(labels.ndim):
        if labels.shape[dim] > 1:
            first = labels.narrow(dim, 0, 1)
            if labels.stride(dim) == 0 or (
                torch.equal(first, labels.narrow(dim, 1, 1))
                and bool((labels == first).all())  # in most cases it ends here
            ):
                labels = first
    return labels


def numbered(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The different labels in order, and for each label its place among them: unique, without sorting."""
    if int(labels.max()) > 4 * labels.numel():
        values, numbers = labels.unique(return_inverse=True)
        return values, numbers
    present = labels.flatten().bincount() > 0
    return present.nonzero()[:, 0], (present.cumsum(0) - 1)[labels]


def distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of a matrix, the number of the first row like it among different rows; and where these are."""
    weights = torch.randint(1 << 62, rows.shape[1:], generator=torch.Generator().manual_seed(0))
    keys, numbers = (rows @ weights).unique(return_inverse=True)
    first = torch.full_like(keys, len(rows)).scatter_reduce(0, numbers, torch.arange(len(rows)), "amin")
    first, order = first.sort()
    numbers = order.argsort()[numbers]
    if not torch.equal(rows, rows[first][numbers]):  # two rows have one key, once in 2 ** 62 pairs
        raise AssertionError("different rows have the same key")
    return numbers, first


def rearranged(value: FieldMap, move: Callable[[Tensor], Tensor]) -> FieldMap:
    """The map of a tensor after `move`, which may rearrange elements but compute none: its labels move alike."""
    shape = move(value.kinds.new_empty(()).expand(value.shape)).shape
    return relabelled(value, shape, lambda labels: move(labels.expand(value.shape)))


def relabelled(value: FieldMap, shape: torch.Size, move: Callable[[Tensor], Tensor]) -> FieldMap:
    """The map after `move`, which takes labels that may have length 1 along dimensions where they do not vary."""
    kinds, *places = (compressed(move(labels)) for labels in (value.kinds, *value.places))
    return pruned(replace(value, shape=shape, kinds=kinds, places=tuple(places), windows=None))


def pruned(value: FieldMap) -> FieldMap:
    """The map without the fields of elements that were cut off."""
    if len(value.fields) == 1:
        return value
    used, kinds = numbered(value.kinds)
    return replace(value, fields=tuple(value.fields[kind] for kind in used.tolist()), kinds=kinds)


def settled(value: FieldMap, axis: int, dim: int) -> FieldMap:
    """The map with units 0, 1, 2, ... of an axis along one dimension and along no other.

    Where units differed along other dimensions, such as channels, kinds differ now. Where kinds differed along this
    dimension, there is one kind now, whose units read what those kinds read.
    """
    labels, length = value.places[axis], value.shape[dim]
    order = laid_along(torch.arange(length), dim, labels.ndim)
    if torch.equal(labels, order) and dim not in varying(value.kinds) and length == _length(value, axis):
        return value
    both = [stretched(part, dim, length).movedim(dim, -1) for part in torch.broadcast_tensors(labels, value.kinds)]
    rest = both[0].shape[:-1]
    rows = torch.cat(both, dim=-1).reshape(-1, 2 * length)
    kinds, first = distinct(rows)
    fields = []
    for row in rows[first].tolist():
        units, owners = row[:length], row[length:]
        boxes: list[Box] = []
        reading = [kind for kind in sorted(set(owners)) if value.fields[kind]]
        for kind in reading:
            sources: Sources = [(unit,) if owner == kind else () for unit, owner in zip(units, owners, strict=True)]
            if len(reading) == 1:
                sources = continued(sources, _length(value, axis))
            repeated = len(set(units)) < length and usual_dim(value, axis) != dim  # in a map, it is upsampled
            boxes += picked(value.fields[kind], axis, sources, listed=repeated)
        fields.append(field(boxes))
    places = (*value.places[:axis], order, *value.places[axis + 1 :])
    return replace(value, fields=tuple(fields), kinds=compressed(kinds.reshape(rest).unsqueeze(dim)), places=places)


def stretched(labels: Tensor, dim: int, length: int) -> Tensor:
    """Labels with the full length of one dimension."""
    return labels.expand([length if d == dim else n for d, n in enumerate(labels.shape)])


def _length(value: FieldMap, axis: int) -> int:
    return max((len(box[axis].clipped) for boxes in value.fields for box in boxes), default=0)


def finished(value: FieldMap, homes: Mapping[int, int] | None = None) -> FieldMap:
    """The map with its units in order along every axis, ready for a summary; if flattened, those that are left.

    Args:
        value: any map.
        homes: the dimension of each axis in maps beside this one, for an axis along which it has one unit.

    """
    for axis in (*value.axes, *value.axes):  # twice, because settling one axis may free a dimension for another
        home = home_of(value, axis, homes or {})
        value = _renumbered(value, axis) if home is None else settled(value, axis, home)
    return value


def _renumbered(value: FieldMap, axis: int) -> FieldMap:
    """The map with the units of an axis that are left numbered 0, 1, 2, ... in their order."""
    left, places = numbered(value.places[axis])
    if len(left) == _length(value, axis) and torch.equal(places, value.places[axis]):
        return value
    sources = [(unit,) for unit in left.tolist()]
    fields = tuple(picked(boxes, axis, sources) for boxes in value.fields)
    return replace(value, fields=fields, places=(*value.places[:axis], places, *value.places[axis + 1 :]))


def home_of(value: FieldMap, axis: int, homes: Mapping[int, int]) -> int | None:
    """The dimension that an axis has for itself, if there is one."""
    dims, usual = value.dims(axis), usual_dim(value, axis)
    if 0 in dims[:-1]:
        return None  # parts of the axis are apart as samples, such as windows
    if usual is not None and all(usual_dim(value, a) in value.dims(a) for a in value.axes):
        return usual  # a map, though a part of it may be moved along all axes at once
    others = {dim for other in value.axes if other != axis for dim in value.dims(other)}
    if not dims and axis in homes and homes[axis] not in others:
        return homes[axis]
    along = {a: value.dims(a) or [homes[a]] for a in value.axes if a != axis and (value.dims(a) or a in homes)}
    channels_last = usual not in dims and any(not set(found) <= {1, 2 + other} for other, found in along.items())
    flattened = dims not in ([], [1]) and any(found == dims for found in along.values())  # axes in one, as in tokens
    near = usual in dims or (set(dims) <= {1, *others} and not flattened)
    if usual is not None and usual not in others and not channels_last and near:
        return usual
    return dims[0] if len(dims) == 1 and dims[0] not in others else None


def usual_dim(value: FieldMap, axis: int) -> int | None:
    """The dimension of an axis in a tensor of samples, channels and all axes; None for tensors of another shape."""
    return 2 + axis if len(value.shape) == 2 + len(value.axes) else None


def is_map(value: FieldMap) -> bool:
    """Whether every axis runs along its usual dimension alone, so that neighbours in the tensor are neighbours."""
    alone = all(value.dims(axis) in ([], [2 + axis]) for axis in value.axes)
    return alone and len(value.shape) == 2 + len(value.axes)


def laid_along(labels: Tensor, dim: int, ndim: int) -> Tensor:
    """Labels that vary along one of `ndim` dimensions."""
    return labels.reshape([-1 if d == dim else 1 for d in range(ndim)])
