"""What the units of a map read: lattices, boxes of them, and fields, which are unions of boxes.

A **box** is one lattice for each axis of the input: unit (i, j) of it reads rows x columns. A **field** is a union of
boxes, because parallel branches may read a cross that no single box describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import lcm

from harness.receptive_field.lattice import NOTHING, Lattice, Reach, union

Box = tuple[Lattice, ...]
Field = tuple[Box, ...]
Sources = Sequence[tuple[int, ...]]
"""For each new unit, the units that it is made of."""


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


def same(one: Field, other: Field) -> bool:
    """Whether two fields are the same, box by box."""
    return one is other or (
        len(one) == len(other)
        and all(a.equals(b) for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))
    )


def picked(boxes: Field, axis: int, sources: Sources) -> Field:
    """The field whose units along an axis are unions of the ones that it had."""
    return tuple((*box[:axis], box[axis].picked(sources), *box[axis + 1 :]) for box in boxes)
