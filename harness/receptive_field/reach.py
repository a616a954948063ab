"""Sets of indices along one axis, of any sign, and how they repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

Reach = tuple[int, int]
"""A set of integers of any sign: the smallest, and a mask with bit i for smallest + i; the empty set is (0, 0)."""

NOTHING: Reach = (0, 0)


def shifted(reach: Reach, by: int) -> Reach:
    """The set with a number added to each member."""
    return (reach[0] + by, reach[1]) if reach[1] else NOTHING


def union(one: Reach, other: Reach) -> Reach:
    """The members of either set."""
    if not one[1] or not other[1]:
        return other if other[1] else one
    low = min(one[0], other[0])
    return low, one[1] << (one[0] - low) | other[1] << (other[0] - low)


def contains(outer: Reach, inner: Reach) -> bool:
    """Whether a set has all members of another."""
    return not inner[1] or (outer[0] <= inner[0] and not inner[1] & ~(outer[1] >> (inner[0] - outer[0])))


def repeating(units: Sequence[Reach], least: int) -> tuple[tuple[Reach, ...], int] | None:
    """The reaches and the advance of the shortest pattern that comes at least twice, with at least that jump."""
    first = next((unit for unit, (_, mask) in enumerate(units) if mask), len(units))
    for period in range(1, min(len(units) // 2, len(units) - first - 1) + 1):
        step = units[first + period][0] - units[first][0]
        if abs(step) < max(1, least * period) or shifted(units[-1], -step) != units[-1 - period]:
            continue  # as most periods do at once, of many units
        if all(shifted(a, -step) == b for a, b in zip(reversed(units), reversed(units[:-period]), strict=False)):
            return tuple(units[:period]), step
    return None


def shortest(reaches: tuple[Reach, ...], advance: int) -> tuple[tuple[Reach, ...], int]:
    """The shortest period that describes the same reaches, and its advance."""
    length = len(reaches)
    for period in _divisors(gcd(length, advance)):
        turns = gcd(length, advance) // period
        size, step = length // turns, advance // turns
        if all(reaches[i] == shifted(reaches[i - size], step) for i in range(size, length)):
            return reaches[:size], step
    raise AssertionError("a pattern repeats after its own length at the latest")


def _divisors(number: int) -> Iterable[int]:
    return (d for d in range(1, number + 1) if number % d == 0)
