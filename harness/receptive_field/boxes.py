"""What the units of a map read: boxes of lattices, and fields, which are unions of boxes.

A **box** has one lattice per axis of the input: its unit (i, j) reads some rows and some columns, and all pixels where
they cross. A **field** is a union of boxes, because parallel branches may read a cross that no single box describes.
Some boxes are not **counted** in the size of a field: a gate and a statistic read a whole map in order to scale it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, reduce
from itertools import pairwise
from math import lcm
from operator import ge, ne

from harness.receptive_field.lattice import Lattice
from harness.receptive_field.reach import NOTHING, Reach, union

Sources = Sequence[tuple[int, ...]]
"""For each new unit, the old units that it reads."""


@dataclass(frozen=True, eq=False)
class Box:
    """One lattice per axis of the input; `counted` unless it is read through a gate or a statistic alone."""

    lattices: tuple[Lattice, ...]
    counted: bool = True

    def __getitem__(self, axis: int) -> Lattice:
        return self.lattices[axis]

    def __iter__(self) -> Iterator[Lattice]:
        return iter(self.lattices)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How far its first unit reaches along each axis, by which most boxes can be told apart at once."""
        return tuple(hull(lattice.reaches[0]) for lattice in self.lattices)

    def changed(self, axis: int, lattice: Lattice) -> Box:
        """The box with another lattice along one axis."""
        return replace(self, lattices=(*self.lattices[:axis], lattice, *self.lattices[axis + 1 :]))

    def covers(self, other: Box) -> bool:
        """Whether leaving out `other` would change neither what units read nor, if it is counted, their size."""
        if other.counted:
            large = self.counted and all(map(ge, self.widths, other.widths))
            return large and all(map(Lattice.covers, self.lattices, other.lattices))
        return all(map(Lattice.covers_inside, self.lattices, other.lattices))

    def joined(self, other: Box) -> Box | None:
        """The union of two boxes, if it is a box: if they differ along one axis only."""
        if self.counted != other.counted or sum(map(ne, self.widths, other.widths)) > 1:
            return None
        alike = map(Lattice.equals, self.lattices, other.lattices)
        differing = [axis for axis, same in enumerate(alike) if not same]
        if len(differing) != 1:
            return None
        axis = differing[0]
        one, two = self[axis], other[axis]
        together = one.jump == two.jump and len(one.clipped) == len(two.clipped)
        return self.changed(axis, one.joined(two)) if together else None


Field = tuple[Box, ...]


def field(boxes: Sequence[Box]) -> Field:
    """The union of boxes, without empty and covered ones; boxes that differ along one axis only become one."""
    result: list[Box] = []
    waiting = list(reversed(boxes))
    while waiting:
        box = waiting.pop()
        if any(lattice.is_empty for lattice in box) or any(other.covers(box) for other in result):
            continue
        result = [other for other in result if not box.covers(other)]
        joined = [(other, both) for other in result if (both := other.joined(box)) is not None]
        if joined:
            result.remove(joined[0][0])
            waiting.append(joined[0][1])
        else:
            result.append(box)
    return tuple(result)


def counted(boxes: Field) -> Field:
    """The field without what is read through gates and statistics."""
    return tuple(box for box in boxes if box.counted)


def uncounted(boxes: Field) -> Field:
    """The same field, read through a gate or a statistic."""
    return field([replace(box, counted=False) for box in boxes])


def extents(boxes: Field, axis: int, units: int) -> list[Reach]:
    """What units read along one axis of an input without ends: those of one period, or all where jumps differ.

    It is the most that a unit reads at any place along the other axes. Gates and statistics are left out.
    """
    boxes = counted(boxes)
    alike = len({box[axis].jump for box in boxes}) <= 1
    period = lcm(*(len(box[axis].reaches) for box in boxes)) if alike else units
    groups = _together(boxes, axis)

    def read(unit: int, group: Field) -> Reach:
        lattices = (box[axis] for box in group if alike or unit < len(box[axis].clipped))
        return reduce(union, (lattice.reach(unit) for lattice in lattices), NOTHING)

    def most(unit: int) -> Reach:
        reaches = (read(unit, group) for group in groups)
        return max(reaches, key=lambda reach: (hull(reach), reach[1].bit_count()))

    return [most(unit) for unit in range(period)]


def _together(boxes: Field, axis: int) -> list[Field]:
    """The boxes that units read at one place along the other axes; apart, where some read nothing at some places."""
    groups = [boxes]
    for other in range(len(boxes[0].lattices) if len(boxes) > 1 else 0):
        if other != axis and any(NOTHING in box[other].reaches for box in boxes):
            places = range(max(len(box[other].clipped) for box in boxes))
            found = [[box for box in boxes if box[other].reach(place) != NOTHING] for place in places]
            groups = [tuple(box for box in group if box in present) for group in groups for present in found]
    return list(dict.fromkeys(groups))


def hull(reach: Reach) -> int:
    """The extent of a set: the number of integers from its smallest member to its largest."""
    return reach[1].bit_length()


def centred(fields: Sequence[Field]) -> bool:
    """Whether fields have the same centre at every unit, the "alignment" of Araujo, Norris and Sim, Distill 2019."""
    present = [some for boxes in fields if (some := counted(boxes))]
    for one, other in pairwise(present):
        for axis in range(len(one[0].lattices)):
            found = {box[axis].jump for box in (*one, *other)}
            if len(found) > 1:
                return False
            (jump,) = found
            left, right = extents(one, axis, 1), extents(other, axis, 1)
            for unit in range(lcm(len(left), len(right))):
                a, b = left[unit % len(left)], right[unit % len(right)]
                a_shift, b_shift = ((unit - unit % len(reaches)) * jump for reaches in (left, right))
                if a[1] and b[1] and 2 * (a[0] + a_shift) + hull(a) != 2 * (b[0] + b_shift) + hull(b):
                    return False
    return True


def equal(one: Field, other: Field) -> bool:
    """Whether two fields have the same boxes, in order."""
    return one is other or (
        len(one) == len(other)
        and all(a.counted == b.counted for a, b in zip(one, other, strict=True))
        and all(a.equals(b) for pair in zip(one, other, strict=True) for a, b in zip(*pair, strict=True))
    )


def jumps(fields: Sequence[Field], axis: int) -> set[Fraction]:
    """The jumps along an axis of all counted boxes whose jump means anything."""
    return {box[axis].jump for boxes in fields for box in boxes if box.counted and box[axis].has_stride}


def picked(boxes: Field, axis: int, sources: Sources, listed: bool = False) -> Field:
    """The field whose unit o along an axis reads the units `sources[o]` of this one."""
    return tuple(box.changed(axis, box[axis].picked(sources, listed)) for box in boxes)


def continued(sources: Sources, length: int) -> Sources:
    """Sources of one unit each or none, going on where there are none if that is outside, as where zeros are padded."""
    one, other = ([o for o, group in enumerate(sources) if group] * 2)[:2]
    step = sources[other][0] - sources[one][0] or 1
    places = [sources[one][0] + (o - one) * step for o in range(len(sources))]
    inside = [(place,) if 0 <= place < length else () for place in places]
    return [(place,) for place in places] if inside == sources else sources
