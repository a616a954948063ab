"""What is found of a tensor: its receptive field, and a row for each layer on the way to it."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError
from harness.receptive_field.boxes import Field
from harness.receptive_field.lattice import members

PerAxis = tuple[Any, ...]


@dataclass(frozen=True)
class Layer:
    """One row of the table of layers: an operation that moves the field, with numbers per axis.

    Jumps are the input pixels between neighbouring units before and after it, and `rf_*` the extents of their fields.
    """

    name: str
    operation: str
    n_in: PerAxis
    kernel: PerAxis
    padding: PerAxis
    stride: PerAxis
    n_out: PerAxis
    jump_in: PerAxis
    jump_out: PerAxis
    rf_in: PerAxis
    rf_out: PerAxis


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one tensor read of the input.

    Attributes:
        size: the extent in pixels of the field of an interior unit; the largest, where units differ.
        stride: pixels from one unit to the next, a Fraction after upsampling; None where paths disagree.
        padding: minus the first row and column that unit (0, 0) would read if the input had no border.
        used: the numbers of rows and columns that an interior unit reads; less than `size` where dilation leaves gaps.
        holes: the number of pixels inside the extent of an interior unit that no path reads; 0 for a solid field.
        is_global: every unit may depend on the whole input, because operations on its paths combine all units of a map:
            pooling and flattening, attention, gates and statistics, but not blocks, windows or a single axis.
        aligned: wherever paths meet, their fields have the same centre.
        shift_variant: units differ by more than a shift.
        layers: the operations on the paths to the tensor that move the field, in order.
        shape: the number of units along each axis.
        boxes: the field of all units, for `region`.

    """

    size: tuple[int, ...]
    stride: PerAxis
    padding: tuple[int, ...]
    used: tuple[int, ...]
    holes: int
    is_global: bool
    aligned: bool
    shift_variant: bool
    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    boxes: Field

    def region(self, unit: Sequence[int]) -> tuple[list[int], ...]:
        """The rows and the columns of the input that a unit depends on: sorted, and exact at the border too.

        What it reads through gates and statistics is included, unlike in `size`: after squeeze-and-excitation or group
        normalization these are all rows and columns.

        Args:
            unit: (i, j), where negative numbers count from the end.

        Raises:
            HarnessError: there is no such unit.

        """
        place = integers(unit)
        if len(place) != len(self.shape) or any(not -n <= i < n for i, n in zip(place, self.shape, strict=True)):
            raise HarnessError(
                f"there is no unit {place or unit!r} in a map of {' x '.join(map(str, self.shape))} units"
            )
        seen = [0] * len(self.shape)
        for box in self.boxes:
            read = [lattice.inside(i % n) for lattice, i, n in zip(box, place, self.shape, strict=True)]
            if all(read):
                seen = [mask | more for mask, more in zip(seen, read, strict=True)]
        return tuple(members(mask) for mask in seen)


def integers(numbers: Any) -> tuple[int, ...]:
    """Numbers as a tuple, also those of an array; nothing if they are not integers."""
    try:
        return tuple(map(operator.index, numbers))
    except TypeError:
        return ()
