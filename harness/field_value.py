"""What the elements of one tensor read from the input, and how operations move and mix that.

A **box** is one lattice for each axis of the input: unit (i, j) of it reads rows x columns. A **field** is a union of
boxes, because parallel branches may read a cross that no single box describes. A **value** says, for every element of
a tensor, which field it belongs to (its kind) and which unit of each axis it is (its places). Kinds and places are
integer labels in arrays that keep length 1 wherever nothing varies, so that a rearrangement of the tensor (view,
permute, roll, shuffle, ...) is described exactly by doing the same to its labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import lcm

import torch
from torch import Tensor

from harness.axis import NOTHING, Lattice, Reach, Window, pixels, union, whole
from harness.errors import HarnessError

Box = tuple[Lattice, ...]
Field = tuple[Box, ...]


class JumpMismatchError(HarnessError):
    """Paths of different stride meet, so that no single receptive field describes all units."""


class NoRuleError(HarnessError):
    """An operation has no rule, or uses the tensor in a way for which there is no receptive field."""


def field(boxes: Sequence[Box]) -> Field:
    """The union of boxes: empty and covered ones are left out, and those that differ in one axis melt into one."""
    kept: list[Box] = []
    waiting = list(reversed(boxes))
    while waiting:
        box = waiting.pop()
        if any(lattice.is_empty for lattice in box) or any(_covers(other, box) for other in kept):
            continue
        kept = [other for other in kept if not _covers(box, other)]
        melted = [(other, both) for other in kept if (both := _melted(other, box)) is not None]
        if melted:
            kept.remove(melted[0][0])
            waiting.append(melted[0][1])
        else:
            kept.append(box)
    return tuple(kept)


def _covers(outer: Box, inner: Box) -> bool:
    return all(a.covers(b) for a, b in zip(outer, inner, strict=True))


def _melted(one: Box, other: Box) -> Box | None:
    """The union of two boxes that differ in one axis only, where it is a box again."""
    differing = [axis for axis, (a, b) in enumerate(zip(one, other, strict=True)) if not a.equals(b)]
    if len(differing) != 1 or one[differing[0]].jump != other[differing[0]].jump:
        return None
    axis = differing[0]
    return (*one[:axis], one[axis].joined(other[axis]), *one[axis + 1 :])


def extents(boxes: Field, axis: int, units: int) -> list[Reach]:
    """What the units read along one axis, borders aside: one period of them, or all units where jumps differ."""
    lattices = [box[axis] for box in boxes]
    alike = len({lattice.jump for lattice in lattices}) <= 1
    period = lcm(*(len(lattice.reaches) for lattice in lattices)) if alike else units
    found = []
    for unit in range(period):
        reach = NOTHING
        for lattice in lattices:
            reach = union(reach, lattice.reach(unit))
        found.append(reach)
    return found


def hull(reach: Reach) -> int:
    """The extent of a set, from its first member to its last."""
    return reach[1].bit_length()


@dataclass(frozen=True)
class Value:
    """What every element of a tensor reads.

    `windows` are those of the operation that made it, an axis each, for the table of layers. `is_global` and `aligned`
    hold for all paths up to here.
    """

    shape: torch.Size
    fields: tuple[Field, ...]
    kinds: Tensor
    places: tuple[Tensor, ...]
    is_global: bool = False
    aligned: bool = True
    windows: Mapping[int, Window] | None = None

    @property
    def axes(self) -> range:
        """The axes of the input."""
        return range(len(self.places))

    def dims(self, axis: int) -> list[int]:
        """The dimensions of the tensor along which an axis of the input runs."""
        return varying(self.places[axis])

    def units(self, axis: int) -> int:
        """How many different units the axis has here."""
        dims = self.dims(axis)
        return self.places[axis].numel() if len(dims) < 2 else len(self.places[axis].unique())

    def united(self) -> Field:
        """The field of all kinds together: a unit means all its channels."""
        return field([box for boxes in self.fields for box in boxes])

    def size(self, axis: int) -> int:
        """The largest extent of an interior unit."""
        return max(map(hull, extents(self.united(), axis, self.units(axis))), default=0)

    def jump(self, axis: int) -> Fraction | None:
        """Input pixels between neighbouring units, or None where paths disagree."""
        jumps = {box[axis].jump for boxes in self.fields for box in boxes}
        return jumps.pop() if len(jumps) == 1 else None


def image(shape: torch.Size, first: int) -> Value:
    """The input of a model: every dimension from `first` on is an axis."""
    box = tuple(pixels(length) for length in shape[first:])
    places = tuple(_along(torch.arange(shape[dim]), dim, len(shape)) for dim in range(first, len(shape)))
    return Value(shape, ((box,),), torch.zeros([1] * len(shape), dtype=torch.int64), places)


def varying(labels: Tensor) -> list[int]:
    """The dimensions along which labels vary."""
    return [dim for dim, length in enumerate(labels.shape) if length > 1]


def compressed(labels: Tensor) -> Tensor:
    """The same labels with length 1 along every dimension where they do not vary."""
    for dim in range(labels.ndim):
        if labels.shape[dim] > 1:
            first = labels.narrow(dim, 0, 1)
            if labels.stride(dim) == 0 or bool((labels == first).all()):
                labels = first
    return labels


def rearranged(value: Value, move: Callable[[Tensor], Tensor]) -> Value:
    """The value after a rearrangement of the tensor, done to the labels alike."""

    def moved(labels: Tensor) -> Tensor:
        return compressed(move(labels.expand(value.shape)))

    result = move(value.kinds.new_empty(()).expand(value.shape))
    places = tuple(moved(labels) for labels in value.places)
    return _pruned(replace(value, shape=result.shape, kinds=moved(value.kinds), places=places, windows=None))


def _pruned(value: Value) -> Value:
    """The value without the fields that no element has any more: what was cut off is dead."""
    if len(value.fields) == 1:
        return value
    used, kinds = value.kinds.unique(return_inverse=True)
    return replace(value, fields=tuple(value.fields[kind] for kind in used.tolist()), kinds=kinds)


def assembled(values: Sequence[Value], move: Callable[[Sequence[Tensor]], Tensor], along: int | None = None) -> Value:
    """The value of a tensor put together from several: concatenation, stacking, writing into a slice.

    Args:
        values: the parts.
        move: what puts tensors of the shapes of the parts together.
        along: the one dimension in which they are put side by side, if it is one; labels then stay small in others.

    """

    def put(labels: Sequence[Tensor]) -> Tensor:
        shapes = [value.shape for value in values]
        if along is not None:
            common = torch.broadcast_shapes(*(part.select(along, 0).shape for part in labels))
            shapes = [torch.Size([*common[:along], shape[along], *common[along:]]) for shape in shapes]
        return compressed(move([part.expand(shape) for part, shape in zip(labels, shapes, strict=True)]))

    if not _pieces(values, along):
        values = [finished(value) for value in values]
    model = next((value for value in values if any(value.fields)), values[0])
    values = [value if any(value.fields) else _labelled_as(model, value, along) for value in values]
    kinds: list[Field] = []
    renamed = []
    for value in values:
        for boxes in value.fields:
            if not any(_same(boxes, known) for known in kinds):
                kinds.append(boxes)
        names = [next(i for i, known in enumerate(kinds) if _same(boxes, known)) for boxes in value.fields]
        renamed.append(torch.tensor(names)[value.kinds])
    places = tuple(put([value.places[axis] for value in values]) for axis in values[0].axes)
    shape = move([torch.zeros((), dtype=torch.int64).expand(value.shape) for value in values]).shape
    whole_aligned = all(value.aligned for value in values) and centred(kinds)
    is_global = any(value.is_global for value in values)
    together = _pruned(Value(shape, tuple(kinds), put(renamed), places, is_global, whole_aligned, {}))
    for axis in together.axes:
        home = _home(together, axis)
        if home is not None and home in varying(together.kinds):
            together = settled(together, axis, home)
    return together


def _pieces(values: Sequence[Value], along: int | None) -> bool:
    """Whether all parts are pieces of one map that differ along one dimension only, so that they fit together again."""
    first = values[0]
    alike = all(_same(first.fields[0], boxes) for value in values for boxes in value.fields)
    return alike and all(
        torch.equal(first.places[axis], value.places[axis]) or along in {*first.dims(axis), *value.dims(axis)}
        for value in values
        for axis in first.axes
    )


def _labelled_as(model: Value, blank: Value, along: int | None) -> Value:
    """A tensor that reads nothing, whose units are called as those beside it, so that they do not look different."""
    places = tuple(
        labels if along is not None and labels.shape[along] == 1 else own
        for labels, own in zip(model.places, blank.places, strict=True)
    )
    return replace(blank, places=places)


def _same(one: Field, other: Field) -> bool:
    return one is other or (
        len(one) == len(other)
        and all(a.equals(b) for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))
    )


def nothing(shape: torch.Size, axes: int) -> Value:
    """A tensor that does not depend on the input."""
    flat = torch.zeros([1] * len(shape), dtype=torch.int64)
    return Value(shape, ((),), flat, (flat,) * axes)


def centred(fields: Sequence[Field]) -> bool:
    """Whether the fields that meet have the same centres, unit by unit (Distill, "alignment issues")."""
    present = [boxes for boxes in fields if boxes]
    for one, other in pairwise(present):
        for axis in range(len(one[0])):
            jumps = {box[axis].jump for box in (*one, *other)}
            if len(jumps) > 1:
                return False
            here, there = extents(one, axis, 1), extents(other, axis, 1)
            period = lcm(len(here), len(there))
            for unit in range(period):
                a, b = here[unit % len(here)], there[unit % len(there)]
                turn_a, turn_b = unit // len(here) * len(here), unit // len(there) * len(there)
                if not a[1] or not b[1]:
                    continue
                jump = jumps.copy().pop()
                if 2 * (a[0] + turn_a * jump) + hull(a) != 2 * (b[0] + turn_b * jump) + hull(b):
                    return False
    return True


def merged(values: Sequence[Value], shape: torch.Size) -> Value:
    """The value of an elementwise operation: every element reads what the same element of each operand reads."""
    result = _broadcast(values[0], shape)
    for value in values[1:]:
        result = _pair(result, _broadcast(value, shape))
    return replace(result, windows={} if len(values) > 1 else None)


def _broadcast(value: Value, shape: torch.Size) -> Value:
    missing = len(shape) - len(value.shape)
    return replace(
        value,
        shape=shape,
        kinds=value.kinds[(None,) * missing],
        places=tuple(labels[(None,) * missing] for labels in value.places),
    )


def _pair(one: Value, other: Value) -> Value:
    """Two values of one shape, element by element."""
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
            left = [_picked(boxes, axis, sources[0]) for boxes in left]
            right = [_picked(boxes, axis, sources[1]) for boxes in right]
    kinds, pairs = _joint(one.kinds, other.kinds)
    owners = ([(k,) for k in range(min(len(left), len(right)))],) * 2 if pairs is None else pairs
    together = [(left[a[0]], right[b[0]]) for a, b in zip(*owners, strict=True)]
    return Value(
        one.shape,
        tuple(field((*a, *b)) for a, b in together),
        kinds,
        tuple(places),
        one.is_global or other.is_global,
        one.aligned and other.aligned and all(centred(pair) for pair in together),
    )


def _spread(boxes: Field, axis: int, same: Value, many: Value) -> Field:
    """A field whose units are all the same along an axis, beside a value that has many there."""
    unit = int(same.places[axis].flatten()[0])
    lattices = [box[axis] for found in many.fields for box in found]
    jump, outputs = lattices[0].jump, max(len(lattice.clipped) for lattice in lattices)
    return tuple((*box[:axis], box[axis].spread(unit, outputs, jump), *box[axis + 1 :]) for box in boxes)


Sources = Sequence[tuple[int, ...]]


def _joint(one: Tensor, other: Tensor, alike: bool = True) -> tuple[Tensor, tuple[Sources, Sources] | None]:
    """Labels for all pairs of labels that meet, and the labels of each pair; None where both are the same already."""
    if alike and torch.equal(one, other):
        return one, None
    both = torch.stack(torch.broadcast_tensors(one, other), dim=-1)
    pairs, labels = both.reshape(-1, 2).unique(dim=0, return_inverse=True)
    sources = [(label,) for label in pairs[:, 0].tolist()], [(label,) for label in pairs[:, 1].tolist()]
    return compressed(labels.reshape(both.shape[:-1])), sources


def _picked(boxes: Field, axis: int, sources: Sources) -> Field:
    return tuple((*box[:axis], box[axis].picked(sources), *box[axis + 1 :]) for box in boxes)


def mixed(value: Value, dims: Sequence[int], groups: int = 1, outputs: int = 1) -> Value:
    """The value when all elements along `dims` are combined, each of which has length 1 afterwards.

    With `groups`, the one dimension named is divided, as the channels of a convolution are, and `outputs` kinds come
    out, evenly from the groups.
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
        fields = tuple(_picked(boxes, axis, groups_of) for boxes in value.fields)
        places = (*value.places[:axis], labels, *value.places[axis + 1 :])
        value = replace(value, fields=fields, places=places)
        if len(groups_of) == 1:
            windows[axis] = whole(count)
    shape = torch.Size(1 if dim in dims else length for dim, length in enumerate(value.shape))
    return replace(value, shape=shape, windows=windows or None)


def _collapsed(value: Value, axis: int) -> Value:
    """The value with one unit along an axis, which for every kind reads all the units that the kind has."""
    labels, kinds = torch.broadcast_tensors(value.places[axis], value.kinds)
    sources = [[tuple(labels[kinds == kind].unique().tolist())] for kind in range(len(value.fields))]
    fields = tuple(_picked(boxes, axis, units) for boxes, units in zip(value.fields, sources, strict=True))
    single = torch.zeros([1] * labels.ndim, dtype=torch.int64)
    return replace(value, fields=fields, places=(*value.places[:axis], single, *value.places[axis + 1 :]))


def _gathered(labels: Tensor, dims: Sequence[int]) -> tuple[Tensor, Sources]:
    """New labels for the sets of labels found along `dims`, and those sets."""
    rest = [dim for dim in range(labels.ndim) if dim not in dims]
    rows = labels.permute(*rest, *dims).reshape(*(labels.shape[dim] for dim in rest), -1)
    known: dict[tuple[int, ...], int] = {}
    names = [known.setdefault(tuple(sorted(set(row))), len(known)) for row in rows.reshape(-1, rows.shape[-1]).tolist()]
    shape = [1 if dim in dims else length for dim, length in enumerate(labels.shape)]
    return compressed(torch.tensor(names).reshape(shape)), list(known)


def kinds_mixed(value: Value, dims: Sequence[int], groups: int = 1, outputs: int = 1) -> Value:
    """The value when channels along `dims` are combined, in groups of the one dimension named or all together."""
    if not set(varying(value.kinds)) & set(dims) or groups == outputs == value.shape[dims[0]] > 1:
        return value
    if groups == 1:
        labels, sets = _gathered(value.kinds, dims)
    else:
        (dim,) = dims
        parts = [_gathered(part, dims) for part in _stretched(value.kinds, dim, value.shape[dim]).chunk(groups, dim)]
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


def _stretched(labels: Tensor, dim: int, length: int) -> Tensor:
    return labels.expand([length if d == dim else n for d, n in enumerate(labels.shape)])


def settled(value: Value, axis: int, dim: int) -> Value:
    """The value with units 0, 1, 2, ... of an axis along one dimension and along no other.

    What differed between positions in other dimensions, such as channels, becomes a difference of kinds, and what
    differed in kind along this dimension becomes one kind that reads different fields at different units.
    """
    labels, length = value.places[axis], value.shape[dim]
    order = _along(torch.arange(length), dim, labels.ndim)
    if torch.equal(labels, order) and dim not in varying(value.kinds) and length == _length(value, axis):
        return value
    both = [_stretched(part, dim, length).movedim(dim, -1) for part in torch.broadcast_tensors(labels, value.kinds)]
    rest = both[0].shape[:-1]
    rows, kinds = torch.cat(both, dim=-1).reshape(-1, 2 * length).unique(dim=0, return_inverse=True)
    fields = []
    for row in rows.tolist():
        units, owners = row[:length], row[length:]
        boxes: list[Box] = []
        for kind in sorted(set(owners)):
            sources = [(unit,) if owner == kind else () for unit, owner in zip(units, owners, strict=True)]
            boxes += _picked(value.fields[kind], axis, sources)
        fields.append(field(boxes))
    places = (*value.places[:axis], order, *value.places[axis + 1 :])
    return replace(value, fields=tuple(fields), kinds=compressed(kinds.reshape(rest).unsqueeze(dim)), places=places)


def _length(value: Value, axis: int) -> int:
    return max((len(box[axis].clipped) for boxes in value.fields for box in boxes), default=0)


def finished(value: Value) -> Value:
    """The value with its units in order along every axis, to be read; a flattened map keeps the units that it had."""
    for axis in (*value.axes, *value.axes):  # twice, because one axis may make room for another
        home = _home(value, axis)
        if home is not None:
            value = settled(value, axis, home)
        elif not value.dims(axis) and _length(value, axis) > 1:
            only = [(int(value.places[axis].flatten()[0]),)]
            fields = tuple(_picked(boxes, axis, only) for boxes in value.fields)
            places = (*value.places[:axis], torch.zeros_like(value.places[axis]), *value.places[axis + 1 :])
            value = replace(value, fields=fields, places=places)
    return value


def _home(value: Value, axis: int) -> int | None:
    """The dimension along which an axis runs, if it has one to itself."""
    dims, usual = value.dims(axis), _usual(value, axis)
    others = {dim for other in value.axes if other != axis for dim in value.dims(other)}
    if usual is not None and usual not in others and (usual in dims or not set(dims) - {1}):
        return usual
    return dims[0] if len(dims) == 1 and dims[0] not in others else None


def _along(labels: Tensor, dim: int, ndim: int) -> Tensor:
    return labels.reshape([-1 if d == dim else 1 for d in range(ndim)])


def windowed(
    value: Value, windows: Mapping[int, Window], shape: torch.Size, mixing: tuple[int, int] | None = None
) -> Value:
    """The value of an operation that slides a window along dimensions of the tensor.

    Args:
        value: what the operation reads.
        windows: the window of each dimension; one that does not carry an axis of the input is a dimension of channels.
        shape: the shape of what comes out.
        mixing: the groups and the number of channels that come out, where channels are summed.

    """
    places = _assigned(value, sorted(windows))
    for axis, dim in (*places.items(), *places.items()):  # twice, because one axis may make room for another
        value = settled(value, axis, dim)
    if mixing is not None:
        value = mixed(value, [1], *mixing)
    for axis, dim in places.items():
        value = _slid(value, axis, dim, windows[dim], shape[dim])
    channels = [dim for dim in windows if dim not in places.values() and windows[dim].kernel > 1]
    value = kinds_mixed(value, channels) if channels else value
    return replace(value, shape=shape, windows={axis: windows[dim] for axis, dim in places.items()})


def _assigned(value: Value, dims: Sequence[int]) -> dict[int, int]:
    """Which axis of the input runs along which of the dimensions of an operation; what is left over are channels."""
    found: dict[int, int] = {}
    for axis in value.axes:
        own = [dim for dim in dims if dim in value.dims(axis)]
        usual = _usual(value, axis)
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
    found |= {axis: 2 + axis for axis in single if _usual(value, axis) in free}
    for axis in single:
        rest = [dim for dim in free if dim not in found.values() and value.shape[dim] == 1]
        if axis not in found and rest and _usual(value, axis) in {None, *taken}:
            found[axis] = rest[0]
    return dict(sorted(found.items()))


def _usual(value: Value, axis: int) -> int | None:
    """The dimension of an axis in a tensor of samples, channels and all axes, if it is one."""
    return 2 + axis if len(value.shape) == 2 + len(value.axes) else None


def _slid(value: Value, axis: int, dim: int, window: Window, outputs: int) -> Value:
    known: dict[Lattice, Lattice] = {}

    def slid(lattice: Lattice) -> Lattice:
        if lattice not in known:
            known[lattice] = lattice.through(window, outputs)
        return known[lattice]

    fields = tuple(field([(*box[:axis], slid(box[axis]), *box[axis + 1 :]) for box in boxes]) for boxes in value.fields)
    places = list(value.places)
    places[axis] = _along(torch.arange(outputs), dim, value.places[axis].ndim)
    shape = torch.Size(outputs if d == dim else length for d, length in enumerate(value.shape))
    return replace(value, fields=fields, places=tuple(places), shape=shape)
