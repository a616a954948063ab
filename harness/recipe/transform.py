"""What all transforms of a recipe have in common, and the forms that their arguments may have."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from harness.recipe.checks import Count, Range

Size = tuple[int, int]
"""Rows and columns of an image."""
Pair = tuple[float, float]
Whole = Annotated[int, Range(least=0)]
Sides = Count | tuple[Count, Count]
"""Rows and columns, or one number for both."""
Fill = float | tuple[float]
"""A tuple has a number for each channel, and there is one."""
Interpolation = Literal["nearest", "bilinear"]
On = Literal["image", "tensor"]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Transform:
    """A change of images, drawn anew for every image in every epoch."""

    @property
    def on(self) -> On:
        """Whether it acts on 8-bit images or, after their normalization, on tensors."""
        return "image"

    def size_after(self, size: Size) -> Size:
        """What it makes of images of that size; ValueError if it cannot."""
        return size

    def _check_ascending(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            ends = value if isinstance(value, tuple) else ()
            if any(low > high for low, high in zip(ends[::2], ends[1::2], strict=True)):
                raise ValueError(f"{type(self).__name__}.{name} must have the lower end of a range first, not {value}")

    def _check_fill(self, fill: Fill) -> None:
        if self.on == "image" and not 0 <= level(fill) <= 255:
            raise ValueError(f"{type(self).__name__}.fill must be a grey level from 0 to 255, not {fill}")


def level(fill: Fill) -> float:
    """The one number of a fill."""
    return fill[0] if isinstance(fill, tuple) else fill


def pair(value: Number | tuple[Number, Number]) -> tuple[Number, Number]:
    """Two numbers, of which one may be given for both."""
    return value if isinstance(value, tuple) else (value, value)


def shown(size: Size) -> str:
    """A size in words."""
    return f"{size[0]} x {size[1]}"


def interval(ends: float | Pair) -> Pair:
    """From -x to x for a number x."""
    return ends if isinstance(ends, tuple) else (-ends, ends)
