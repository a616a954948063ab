"""Field maps of sums over dimensions of a tensor, exact for windows, blocks and tokens in any order.

What a sum reads is a union over its terms. Each label is a function of the result, one for each term: in a sum over
the offsets of a window, offset t of unit i has the row i + t. Terms are grouped into rectangles, which are products of
sets of such functions, as few as that takes: one for a window, for a block and for a whole map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from harness.receptive_field.boxes import Box, Field, Sources, centred, field
from harness.receptive_field.field_map import FieldMap, compressed, distinct
from harness.receptive_field.lattice import Lattice, strided, whole

_Rectangle = tuple[frozenset[int], ...]


def mixed(value: FieldMap, dims: Sequence[int], groups: int = 1, outputs: int = 1) -> FieldMap:
    """The map after all elements along `dims` are combined; each of these dimensions has length 1 then.

    With `groups`, `dims` is one dimension, divided into groups as the channels of a convolution are, and has `outputs`
    channels then, the same number from each group.
    """
    if groups > 1:
        return _mixed_in_groups(value, dims[0], groups, outputs)
    shape = torch.Size(1 if dim in dims else length for dim, length in enumerate(value.shape))
    labels = [value.kinds, *value.places]
    along = [dim for dim in dims if any(part.shape[dim] > 1 for part in labels)]
    if not along:
        return replace(value, shape=shape, windows=None)
    kinds, *places = (_terms(part, along, value.shape) for part in labels)
    rectangles = _rectangles([part.functions for part in (kinds, *places)])
    read = [
        _read(part, [rectangle[1 + axis] for rectangle in rectangles], value.units(axis))
        for axis, part in enumerate(places)
    ]
    fields, aligned = [], value.aligned
    for row in kinds.values:
        boxes: list[Box] = []
        for index, (functions, *_) in enumerate(rectangles):
            for kind in sorted({row[function] for function in functions}):
                boxes += _picked(value.fields[kind], read, index)
        fields.append(field(boxes))
        aligned = aligned and centred([value.fields[kind] for kind in sorted(set(row))])
    windows = {axis: whole(part.units) for axis, part in enumerate(read) if part.units > len(part.sources[0]) == 1}
    return FieldMap(shape, tuple(fields), kinds.rows, tuple(part.labels for part in read), aligned, windows or None)


def _mixed_in_groups(value: FieldMap, dim: int, groups: int, outputs: int) -> FieldMap:
    def divided(labels: Tensor) -> Tensor:
        return labels.unsqueeze(dim) if labels.shape[dim] == 1 else labels.unflatten(dim, (groups, -1))

    def repeated(labels: Tensor) -> Tensor:
        labels = labels.squeeze(dim + 1)
        return labels if labels.shape[dim] == 1 else labels.repeat_interleave(outputs // groups, dim)

    shape = torch.Size([*value.shape[:dim], groups, value.shape[dim] // groups, *value.shape[dim + 1 :]])
    apart = replace(value, shape=shape, kinds=divided(value.kinds), places=tuple(map(divided, value.places)))
    summed = mixed(apart, [dim + 1])
    shape = torch.Size([*value.shape[:dim], outputs, *value.shape[dim + 1 :]])
    return replace(summed, shape=shape, kinds=repeated(summed.kinds), places=tuple(map(repeated, summed.places)))


@dataclass
class _Terms:
    """One kind of label in a sum: term t has `values[r][functions[t]]` in a result of row r, and `rows` are theirs."""

    functions: Tensor
    values: list[list[int]]
    rows: Tensor


def _terms(labels: Tensor, along: Sequence[int], shape: torch.Size) -> _Terms:
    rest = [dim for dim in range(labels.ndim) if dim not in along]
    lengths = [labels.shape[dim] for dim in along]
    table = labels.permute(*rest, *along).reshape(-1, prod(lengths))
    functions, first = distinct(table.t())
    rows, chosen = distinct(table[:, first])
    functions = functions.reshape(lengths).expand([shape[dim] for dim in along]).reshape(-1)
    rows = rows.reshape([1 if dim in along else length for dim, length in enumerate(labels.shape)])
    return _Terms(functions, table[:, first][chosen].tolist(), compressed(rows))


def _rectangles(functions: Sequence[Tensor]) -> list[_Rectangle]:
    """The functions of kinds and of places that occur together in a term, as few products of sets."""
    together = torch.stack(list(functions), dim=-1)
    _, first = distinct(together)
    found = together[first].tolist()
    if len(found) == prod(int(part.max()) + 1 for part in functions):
        return [tuple(frozenset(range(int(part.max()) + 1)) for part in functions)]
    rectangles: list[_Rectangle] = [tuple(frozenset([function]) for function in term) for term in found]
    for position in reversed(range(len(functions))):
        merged: dict[_Rectangle, set[int]] = {}
        for rectangle in rectangles:
            others = (*rectangle[:position], *rectangle[position + 1 :])
            merged.setdefault(others, set()).update(rectangle[position])
        rectangles = [(*o[:position], frozenset(s), *o[position:]) for o, s in merged.items()]
    return rectangles


@dataclass
class _Read:
    """The old units along one axis, of which there are `units`, that new units read, in every rectangle."""

    labels: Tensor
    sources: list[Sources]
    units: int

    def picked(self, lattice: Lattice, rectangle: int) -> Lattice:
        """What the new units read along the axis, marked where that is all of it."""
        sources = self.sources[rectangle]
        result = lattice.picked(sources)
        marked = (
            1 << unit
            for unit, group in enumerate(sources)
            if len(group) == self.units > 1 and result.spans(unit, lattice.jump)
        )
        return replace(result, whole=result.whole | sum(marked))


def _read(terms: _Terms, rectangles: Sequence[frozenset[int]], units: int) -> _Read:
    groups = [
        tuple(tuple(sorted({row[function] for function in functions})) for functions in rectangles)
        for row in terms.values
    ]
    order = sorted(set(groups))
    places = {group: place for place, group in enumerate(order)}
    labels = torch.tensor([places[group] for group in groups])[terms.rows]
    return _Read(compressed(labels), [[group[index] for group in order] for index in range(len(rectangles))], units)


def _picked(boxes: Field, read: Sequence[_Read], rectangle: int) -> Iterator[Box]:
    """What the new units read in the boxes of one kind, within a rectangle."""
    for box in boxes:
        lattices = (part.picked(lattice, rectangle) for part, lattice in zip(read, box, strict=True))
        yield replace(box, lattices=tuple(lattices))


def prefixes(value: FieldMap, dim: int) -> FieldMap:
    """The map whose elements along a dimension read what the elements up to them read, as in a recurrent layer.

    Terms are grouped by the unit that they read along every axis but one, the inner axis, which changes most often.
    """
    labels = [value.kinds, *value.places]
    if all(part.shape[dim] == 1 for part in labels):
        return replace(value, windows=None)
    kinds, *places = (_terms(part, [dim], value.shape) for part in labels)
    inner = max(value.axes, key=lambda axis: int((places[axis].functions.diff() != 0).sum()))
    outer = [kinds, *(part for axis, part in enumerate(places) if axis != inner)]
    groups, first = distinct(torch.stack([part.functions for part in outer], dim=-1))
    read = [
        _read(part, [frozenset([function]) for function in part.functions[first].tolist()], value.units(axis))
        if axis != inner
        else _read_up_to(part, groups, dim, value.units(axis))
        for axis, part in enumerate(places)
    ]
    fields = []
    for row in kinds.values:
        boxes: list[Box] = []
        for index, function in enumerate(kinds.functions[first].tolist()):
            boxes += _picked(value.fields[row[function]], read, index)
        fields.append(field(boxes))
    windows = {axis: replace(strided(0, 1), kernel=value.units(axis)) for axis in value.axes if dim in value.dims(axis)}
    return FieldMap(value.shape, tuple(fields), kinds.rows, tuple(part.labels for part in read), value.aligned, windows)


def _read_up_to(terms: _Terms, groups: Tensor, dim: int, units: int) -> _Read:
    """The units that the terms up to each term read, apart for every group of terms."""
    count = int(groups.max()) + 1
    steps = list(zip(groups.tolist(), terms.functions.tolist(), strict=True))
    table = []
    for row in terms.values:
        known: list[tuple[int, ...]] = [()] * count
        for group, function in steps:
            known[group] = tuple(sorted({*known[group], row[function]}))
            table.append(tuple(known))
    numbers = torch.arange(len(table)).reshape(len(terms.values), -1)
    labels = numbers[terms.rows.squeeze(dim)].movedim(-1, dim)
    return _Read(compressed(labels), [[sets[group] for sets in table] for group in range(count)], units)
