"""What the units of a map read: boxes of lattices, and fields, which are unions of boxes.

A **box** has one lattice per axis of the input: its unit (i, j) reads some rows and some columns, and all pixels where
they cross. A **field** is a union of boxes, because parallel branches may read a cross that no single box describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from math import lcm

from harness.receptive_field.lattice import NOTHING, Lattice, Reach, union

Box = tuple[Lattice, ...]
Field = tuple[Box, ...]
Sources = Sequence[tuple[int, ...]]
"""For each new unit, the old units that it reads."""


def field(boxes: Sequence[Box]) -> Field:
    """The union of boxes, without empty and covered ones; boxes that differ along one axis only become one."""
    result: list[Box] = []
    waiting = list(reversed(boxes))
    while waiting:
        box = waiting.pop()
        if any(lattice.is_empty for lattice in box) or any(_covers(other, box) for other in result):
            continue
        result = [other for other in result if not _covers(box, other)]
        joined = [(other, both) for other in result if (both := _joined(other, box)) is not None]
        if joined:
            result.remove(joined[0][0])
            waiting.append(joined[0][1])
        else:
            result.append(box)
    return tuple(result)


def _covers(outer: Box, inner: Box) -> bool:
    return all(a.covers(b) for a, b in zip(outer, inner, strict=True))


def _joined(one: Box, other: Box) -> Box | None:
    """The union of two boxes, if it is a box: if they differ along one axis only."""
    differing = [axis for axis, (a, b) in enumerate(zip(one, other, strict=True)) if not a.equals(b)]
    if len(differing) != 1 or one[differing[0]].jump != other[differing[0]].jump:
        return None
    axis = differing[0]
    return (*one[:axis], one[axis].joined(other[axis]), *one[axis + 1 :])


def extents(boxes: Field, axis: int, units: int) -> list[Reach]:
    """What units read along one axis of an input without ends: those of one period, or all where jumps differ."""
    lattices = [box[axis] for box in boxes]
    alike = len({lattice.jump for lattice in lattices}) <= 1
    period = lcm(*(len(lattice.reaches) for lattice in lattices)) if alike else units
    return [reduce(union, (lattice.reach(unit) for lattice in lattices), NOTHING) for unit in range(period)]


def hull(reach: Reach) -> int:
    """The extent of a set: the number of integers from its smallest member to its largest."""
    return reach[1].bit_length()


def centred(fields: Sequence[Field]) -> bool:
    """Whether fields have the same centre at every unit, the "alignment" of Araujo, Norris and Sim, Distill 2019."""
    present = [boxes for boxes in fields if boxes]
    for one, other in pairwise(present):
        for axis in range(len(one[0])):
            jumps = {box[axis].jump for box in (*one, *other)}
            if len(jumps) > 1:
                return False
            (jump,) = jumps
            left, right = extents(one, axis, 1), extents(other, axis, 1)
            for unit in range(lcm(len(left), len(right))):
                a, b = left[unit % len(left)], right[unit % len(right)]
                a_shift, b_shift = ((unit - unit % len(reaches)) * jump for reaches in (left, right))
                if a[1] and b[1] and 2 * (a[0] + a_shift) + hull(a) != 2 * (b[0] + b_shift) + hull(b):
                    return False
    return True


def same(one: Field, other: Field) -> bool:
    """Whether two fields have the same boxes, in order."""
    return one is other or (
        len(one) == len(other)
        and all(a.equals(b) for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))
    )


def picked(boxes: Field, axis: int, sources: Sources) -> Field:
    """The field whose unit o along an axis reads the units `sources[o]` of this one."""
    return tuple((*box[:axis], box[axis].picked(sources), *box[axis + 1 :]) for box in boxes)
