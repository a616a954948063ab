"""Transforms that change the size of 8-bit images."""

from dataclasses import dataclass, field

from harness.recipe.checks import checked
from harness.recipe.transform import Fill, Sides, Size, Transform, Whole, shown, sides


@checked
@dataclass(frozen=True, kw_only=True)
class RandomCrop(Transform):
    """A random part of the 8-bit image.

    `padding`: how many pixels are added first: on each side, or two numbers (left and right, above and below), or four
    (left, above, right, below). `fill`: their grey level (0 to 255).
    """

    size: Sides = field(kw_only=False)
    padding: Whole | tuple[Whole, Whole] | tuple[Whole, Whole, Whole, Whole] | None = None
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        self._check_fill(self.fill)

    @property
    def borders(self) -> tuple[int, int, int, int]:
        """The pixels that are added: left, above, right, below."""
        around = self.padding or 0
        ends = around if isinstance(around, tuple) else (around,)
        left, above, right, below = ends * (4 // len(ends))
        return left, above, right, below

    def size_after(self, size: Size) -> Size:
        """The size of the part."""
        left, above, right, below = self.borders
        padded = size[0] + above + below, size[1] + left + right
        wanted = sides(self.size)
        if wanted[0] > padded[0] or wanted[1] > padded[1]:
            raise ValueError(f"RandomCrop.size must be at most {shown(padded)}, that of the images, not {self.size}")
        return wanted


@checked
@dataclass(frozen=True, kw_only=True)
class CenterCrop(Transform):
    """The middle of the 8-bit image, with black around it where it is smaller."""

    size: Sides = field(kw_only=False)

    def size_after(self, size: Size) -> Size:
        """The size of the middle."""
        return sides(self.size)


@checked
@dataclass(frozen=True, kw_only=True)
class Resize(Transform):
    """The 8-bit image in another size, bilinear, and smoothed where it gets smaller.

    `size`: rows and columns, or the length of the shorter side.
    """

    size: Sides = field(kw_only=False)

    def size_after(self, size: Size) -> Size:
        """The new size."""
        if isinstance(self.size, tuple):
            return self.size
        height, width = size
        shorter = min(size)
        return int(self.size * height / shorter), int(self.size * width / shorter)
