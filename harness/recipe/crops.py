"""Transforms that change the size of images."""

from dataclasses import dataclass, field

from harness.recipe.checks import NotNegative, Positive, checked
from harness.recipe.transform import Fill, Interpolation, On, Sides, Size, Transform, Whole, pair, shown


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
        wanted = pair(self.size)
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
        return pair(self.size)


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


@checked
@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop(Transform):
    """A random part of the image in another size; "bilinear" is smoothed where it gets smaller.

    `scale`: the range of its area, as a share of the image; `ratio`: that of its width divided by its height, on a
    logarithmic scale. A part that is higher or wider than the image is drawn again, up to nine times; then it is the
    middle of the image, as large as the ratio allows.
    `on`: as for `RandomRotation`.
    """

    size: Sides = field(kw_only=False)
    scale: tuple[NotNegative, NotNegative] = (0.08, 1.0)
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    interpolation: Interpolation = "bilinear"
    on: On = "image"

    def __post_init__(self) -> None:
        self._check_ascending("scale", "ratio")

    def largest(self, size: Size) -> Size:
        """Of the parts of an image whose ratio is in the range, the largest; the whole image where that is one."""
        height, width = size
        narrowest, widest = self.ratio
        if width / height < narrowest:
            return round(width / narrowest), width
        if width / height > widest:
            return height, round(height * widest)
        return size

    def size_after(self, size: Size) -> Size:
        """The size that the part gets."""
        if 0 in self.largest(size):
            raise ValueError(f"RandomResizedCrop.ratio must leave a pixel of images of {shown(size)}, not {self.ratio}")
        return pair(self.size)
