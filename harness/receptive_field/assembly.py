"""Field maps of tensors that are put together from several: concatenation, stacking, writing into a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.receptive_field.boxes import Field, centred, equal
from harness.receptive_field.field_map import FieldMap, compressed, finished, home_of, pruned, settled, varying


def assembled(
    values: Sequence[FieldMap], move: Callable[[Sequence[Tensor]], Tensor], along: int | None = None
) -> FieldMap:
    """The map of a tensor that is put together from several: concatenation, stacking, writing into a slice.

    Args:
        values: the maps of the parts.
        move: puts tensors of the shapes of the parts together.
        along: the dimension of a concatenation; labels can then keep length 1 along the others.

    """

    def put(labels: Sequence[Tensor]) -> Tensor:
        shapes = [value.shape for value in values]
        if along is not None:
            common = torch.broadcast_shapes(*(part.select(along, 0).shape for part in labels))
            shapes = [torch.Size([*common[:along], shape[along], *common[along:]]) for shape in shapes]
        return compressed(move([part.expand(shape) for part, shape in zip(labels, shapes, strict=True)]))

    if not _pieces(values, along):
        homes = {a: value.dims(a)[0] for value in values for a in value.axes if len(value.dims(a)) == 1}
        alike = len({len(value.shape) for value in values}) == 1
        values = [finished(value, homes if alike else {}) for value in values]
    model = next((value for value in values if any(value.fields)), values[0])
    values = [value if any(value.fields) else _labelled_as(model, value, along) for value in values]
    kinds: list[Field] = []
    renamed = []
    for value in values:
        for boxes in value.fields:
            if not any(equal(boxes, known) for known in kinds):
                kinds.append(boxes)
        names = [next(i for i, known in enumerate(kinds) if equal(boxes, known)) for boxes in value.fields]
        renamed.append(torch.tensor(names)[value.kinds])
    owners = put(renamed)
    blank = torch.tensor([not boxes for boxes in kinds])[owners]
    places = tuple(_neighbourly(put([value.places[axis] for value in values]), blank) for axis in values[0].axes)
    shape = move([torch.zeros((), dtype=torch.int64).expand(value.shape) for value in values]).shape
    aligned = all(value.aligned for value in values) and centred(kinds)
    whole = pruned(FieldMap(shape, tuple(kinds), owners, places, aligned, {}))
    for axis in (*whole.axes, *whole.axes):  # twice, because settling one axis may divide kinds along another
        home = home_of(whole, axis, {})
        if home is not None and home in varying(whole.kinds):
            whole = settled(whole, axis, home)
    return whole


def _pieces(values: Sequence[FieldMap], along: int | None) -> bool:
    """Whether all parts are pieces of one map, cut along one dimension, that fit together again."""
    first = values[0]
    alike = all(equal(first.fields[0], boxes) for value in values for boxes in value.fields)
    return alike and all(
        torch.equal(first.places[axis], value.places[axis]) or along in {*first.dims(axis), *value.dims(axis)}
        for value in values
        for axis in first.axes
    )


def _labelled_as(model: FieldMap, blank: FieldMap, along: int | None) -> FieldMap:
    """The map of a part that reads nothing, with the labels of its neighbour, so that units do not seem to differ."""
    places = tuple(
        labels if along is not None and labels.shape[along] == 1 else own
        for labels, own in zip(model.places, blank.places, strict=True)
    )
    return replace(blank, places=places)


def _neighbourly(labels: Tensor, blank: Tensor) -> Tensor:
    """Labels in which elements that read nothing have those of their neighbours, if that leaves one dimension."""
    dims = varying(labels)
    for dim in dims if len(dims) > 1 and blank.any() else ():
        others = [other for other in range(labels.ndim) if other != dim]
        known = labels.where(~blank, -1).amax(others, keepdim=True)
        if bool((blank | (labels == known)).all()):
            return known.clamp(min=0)
    return labels
