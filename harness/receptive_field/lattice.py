"""Exact arithmetic along one axis: which indices of the input each unit reads.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, give recurrences
for the size, stride and padding of one interval. Here they act on sets of indices, so that dilation, gaps between
windows, fractional strides and borders stay exact; the interval is read off at the end. All numbers are integers, and
strides are Fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, reduce
from math import ceil, floor, lcm
from operator import eq, or_

from harness.receptive_field.reach import NOTHING, Reach, contains, repeating, shifted, shortest, union

LONGEST = 1 << 15
"""The longest period that is followed: those of resizing by odd factors multiply, to more units than any map has."""


def members(mask: int) -> list[int]:
    """The positions of the set bits, in order."""
    return [i for i, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]


@dataclass(frozen=True)
class Window:
    """Which inputs each output of an operation reads along one axis.

    On an axis without ends, output `o` reads `taps[o]`, and `len(taps)` outputs later the same inputs shifted by
    `advance`. Operations that look back inside at a border (reflection, wrapping) list what each output reads of the
    real axis in `edges`. `kernel`, `padding` and `stride` are for the table of layers.
    """

    taps: tuple[tuple[int, ...], ...]
    advance: int
    kernel: int = 1
    padding: int = 0
    stride: Fraction = Fraction(1)
    edges: tuple[tuple[int, ...], ...] | None = None

    def at(self, output: int) -> tuple[int, ...]:
        """The inputs of one output on an axis without ends."""
        turns, phase = divmod(output, len(self.taps))
        return tuple(tap + turns * self.advance for tap in self.taps[phase])

    def inside(self, output: int) -> tuple[int, ...]:
        """The inputs of one output on the real axis; those outside it read nothing."""
        return self.at(output) if self.edges is None else self.edges[output]


def sliding(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
    """Convolution and pooling: output o reads o * stride - padding + t * dilation for 0 <= t < kernel."""
    taps = tuple(t * dilation - padding for t in range(kernel))
    return Window((taps,), stride, kernel, padding, Fraction(stride))


def transposed(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
    """Transposed convolution: output i * stride - padding + t * dilation reads input i, for 0 <= t < kernel."""

    def sources(output: int) -> tuple[int, ...]:
        places = (output + padding - t * dilation for t in range(kernel))
        return tuple(sorted({place // stride for place in places if place % stride == 0}))

    return Window(tuple(sources(o) for o in range(stride)), 1, kernel, padding, Fraction(1, stride))


def whole(length: int) -> Window:
    """Global pooling: a kernel as long as the map."""
    return Window((tuple(range(length)),), length, length, 0, Fraction(length))


def bins(length: int, outputs: int) -> Window:
    """Adaptive pooling from n to m: output o reads floor(o * n / m) <= i < ceil((o + 1) * n / m)."""
    ratio = Fraction(length, outputs)
    taps = tuple(tuple(range(floor(o * ratio), ceil((o + 1) * ratio))) for o in range(ratio.denominator))
    return Window(taps, ratio.numerator, max(map(len, taps)), 0, ratio)


def strided(start: int, step: int) -> Window:
    """Slicing and cropping: output o reads start + o * step."""
    return Window(((start,),), step, 1, -start, Fraction(step))


def resampled(scale: Fraction, offset: Fraction, reach: int, length: int, outputs: int) -> Window:
    """Interpolation: output o lies at x = (o + offset) * scale - offset on the input.

    It reads the `reach` inputs on either side of x, or only x where that is an input; beyond an end, the last input.
    With a reach of 0 it reads the nearest neighbour, floor((o + offset) * scale).
    """

    def around(output: int) -> tuple[int, ...]:
        if reach == 0:
            return (floor((output + offset) * scale),)
        place = (output + offset) * scale - offset
        if place.denominator == 1:
            return (int(place),)
        return tuple(range(floor(place) - reach + 1, floor(place) + reach + 1))

    def clamped(output: int) -> tuple[int, ...]:
        place = (output + offset) * scale - offset
        if reach == 1 and place < 0:
            return (0,)
        return tuple(sorted({min(max(tap, 0), length - 1) for tap in around(output)}))

    taps = tuple(around(o) for o in range(scale.denominator))
    edges = tuple(clamped(o) for o in range(outputs))
    return Window(taps, scale.numerator, max(map(len, taps)), 0, scale, edges)


@dataclass(frozen=True, eq=False)
class Lattice:
    """What each unit along one axis of a map reads along one axis of the input.

    `clipped[i]` is a mask of the pixels that unit i reads. `reaches` describes one period of the units on an input
    without ends: `len(reaches)` units later, the same reaches return, shifted by `advance`. The period is 1 for chains
    of convolutions, and longer for transposed convolution, upsampling and uneven pooling. `length` is that of the axis,
    and `whole` a mask of the units that read all of it because an operation combined all units of a map.

    Where units follow no rule that says how they would go on, or one of too long a period, they are `listed`: `reaches`
    has one entry for each of them, units beyond the ends read nothing, and the jump is 0; `advance` is the least jump
    that they may have again.
    """

    clipped: tuple[int, ...]
    reaches: tuple[Reach, ...]
    advance: int
    length: int
    whole: int = 0
    listed: bool = False

    @cached_property
    def jump(self) -> Fraction:
        """Input pixels from one unit to the next, averaged over a period."""
        return Fraction(0 if self.listed else self.advance, len(self.reaches))

    @cached_property
    def has_stride(self) -> bool:
        """Whether the jump means anything: units follow a rule, and do not all read the whole axis or nothing."""
        return not self.listed and self.whole != self.active

    @cached_property
    def active(self) -> int:
        """A mask of the units that read anything, by which most lattices of single pixels can be told apart at once."""
        return sum(1 << unit for unit, mask in enumerate(self.clipped) if mask)

    @cached_property
    def is_empty(self) -> bool:
        """Whether no unit reads anything."""
        return not any(self.clipped) and not any(mask for _, mask in self.reaches)

    def reach(self, unit: int) -> Reach:
        """What a unit, any integer, reads on an input without ends."""
        if self.listed:
            return self.reaches[unit] if 0 <= unit < len(self.reaches) else NOTHING
        turns, phase = divmod(unit, len(self.reaches))
        return shifted(self.reaches[phase], turns * self.advance)

    def inside(self, unit: int) -> int:
        """A mask of the pixels that a unit reads; none if this lattice has fewer units than a map it is part of."""
        return self.clipped[unit] if unit < len(self.clipped) else 0

    def spans(self, unit: int, jump: Fraction) -> bool:
        """Whether a unit reads from end to end, apart from pixels that units `jump` pixels apart leave out."""
        widest = max(len(gap) for gap in f"{self.clipped[unit]:0{self.length}b}".split("1"))
        return widest < max(1, ceil(abs(jump)))

    def through(self, window: Window, outputs: int) -> Lattice:
        """The lattice of `outputs` units that read this one through a window."""
        turns = 1 if self.listed else lcm(len(self.reaches), window.advance) // abs(window.advance)
        period = turns * len(window.taps)
        if self.listed or period > max(outputs, LONGEST):
            return self.picked([window.inside(o) for o in range(outputs)], listed=not self.listed)
        reaches = tuple(reduce(union, map(self.reach, window.at(o)), NOTHING) for o in range(period))
        advance = self.advance * turns * window.advance // len(self.reaches)
        return self._reading([window.inside(o) for o in range(outputs)], *shortest(reaches, advance))

    def _reading(self, sources: Sequence[tuple[int, ...]], reaches: tuple[Reach, ...], advance: int) -> Lattice:
        """The lattice whose unit o reads the units `sources[o]` of this one, as far as they are there."""
        length = len(self.clipped)
        masks = {
            group: reduce(int.__or__, (self.clipped[i] for i in group if 0 <= i < length), 0) for group in set(sources)
        }
        return replace(
            self,
            clipped=tuple(masks[group] for group in sources),
            reaches=reaches,
            advance=advance,
            whole=self._whole(sources),
        )

    def _whole(self, sources: Sequence[tuple[int, ...]]) -> int:
        if self.whole == 0:
            return 0
        return sum(1 << o for o, group in enumerate(sources) if any(i >= 0 and self.whole >> i & 1 for i in group))

    def picked(self, sources: Sequence[tuple[int, ...]], listed: bool = False) -> Lattice:
        """The lattice whose unit o reads the units `sources[o]` of this one.

        Sources that are evenly spaced, wrap around the end, or are all the only unit continue so on an input without
        ends, and so do units in a pattern. Any others are listed, and so are all if that is asked for.
        """
        window = None if listed or self.listed else _even(sources, len(self.clipped))
        if window is not None:
            return self.through(window, len(sources))
        unions = {group: reduce(union, map(self.reach, group), NOTHING) for group in set(sources)}
        units = tuple(unions[group] for group in sources)
        least = self.advance if self.listed else floor(abs(self.jump))
        pattern = None if listed else (units, self.length) if len(units) == 1 else repeating(units, least)
        result = self._reading(sources, *(pattern or (units, least)))
        return replace(result, listed=pattern is None)

    def joined(self, other: Lattice) -> Lattice:
        """The union, unit by unit, of lattices with the same number of units and the same jump."""
        if self is other:
            return self
        period = len(self.reaches) if self.listed else lcm(len(self.reaches), len(other.reaches))
        clipped = tuple(a | b for a, b in zip(self.clipped, other.clipped, strict=True))
        reaches, advance = tuple(union(self.reach(i), other.reach(i)) for i in range(period)), int(self.jump * period)
        if not self.listed:
            reaches, advance = shortest(reaches, advance)
        return Lattice(clipped, reaches, advance, self.length, self.whole | other.whole, self.listed)

    def equals(self, other: Lattice) -> bool:
        """Whether each unit reads the same as in `other`."""
        return self is other or (
            self.clipped == other.clipped
            and self.reaches == other.reaches
            and (self.advance, self.listed) == (other.advance, other.listed)
            and self.whole == other.whole
        )

    def covers(self, other: Lattice) -> bool:
        """Whether each unit reads everything that the same unit of `other` reads."""
        if self is other:
            return True
        if other.listed:
            return self.covers_inside(other) and all(contains(self.reach(i), r) for i, r in enumerate(other.reaches))
        if not contains(self.reaches[0], other.reaches[0]) or self.jump != other.jump or not self.covers_inside(other):
            return False
        if len(self.reaches) == len(other.reaches):
            return all(map(contains, self.reaches, other.reaches))
        period = lcm(len(self.reaches), len(other.reaches))
        return all(contains(self.reach(i), other.reach(i)) for i in range(period))

    def covers_inside(self, other: Lattice) -> bool:
        """Whether each unit reads every pixel of the real input that the same unit of `other` reads."""
        if len(self.clipped) != len(other.clipped) or other.whole & ~self.whole or other.active & ~self.active:
            return False
        return all(map(eq, map(or_, self.clipped, other.clipped), self.clipped))


def pixels(length: int) -> Lattice:
    """The input itself: unit i reads pixel i."""
    return Lattice(tuple(1 << i for i in range(length)), ((0, 1),), 1, length, int(length == 1))


def _even(sources: Sequence[tuple[int, ...]], length: int) -> Window | None:
    """The window of sources that advance evenly, are all the same, or wrap around the end; None for any others."""
    if len(sources) == 1:
        return whole(length) if sources[0] == tuple(range(length)) else Window((sources[0],), 1)
    if length == 1 and len(set(sources)) == 1:
        return Window((sources[0],) * len(sources), 1)
    if (window := _pattern(sources, 1) or _wrapped(sources, length)) is not None:
        return window
    longer = (_pattern(sources, period) for period in range(2, len(sources) // 2 + 1))
    return next((window for window in longer if window is not None), None)


def _pattern(sources: Sequence[tuple[int, ...]], period: int) -> Window | None:
    """The window of sources that advance evenly each `period` of them."""
    if not sources[0] or not sources[period]:
        return None
    step = sources[period][0] - sources[0][0]
    pairs = zip(reversed(sources), reversed(sources[:-period]), strict=False)  # patterns end at the end, if at all
    if step and all(len(a) == len(b) and all(i - step == j for i, j in zip(a, b, strict=True)) for a, b in pairs):
        return Window(tuple(sources[:period]), step)
    return None


def _wrapped(sources: Sequence[tuple[int, ...]], length: int) -> Window | None:
    """The window of single sources that advance evenly and wrap around, as in rolling and circular padding."""
    if any(len(group) != 1 for group in sources):
        return None
    places = [place for (place,) in sources]
    middle = len(places) // 2
    back = (length - 1) // 2  # half an axis is a step forward: of two pixels, each lies on either side of the other
    step = (places[middle] - places[middle - 1] + back) % length - back
    start = places[middle] - middle * step
    if (
        step == 0
        or len(places) > 3 * length
        or any((place - start - i * step) % length for i, place in enumerate(places))
    ):
        return None
    return Window(((start,),), step, edges=tuple((place,) for place in places))
