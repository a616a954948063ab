"""What happens to an image before it enters the network: normalization, and changes that are drawn anew each time.

Transforms have the names, the arguments and the meaning of torchvision's, and every image has draws of its own.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from harness.recipe.checks import Count, NotNegative, Positive, Range, Share, checked

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


def sides(size: Sides) -> Size:
    """Rows and columns."""
    return size if isinstance(size, tuple) else (size, size)


def shown(size: Size) -> str:
    """A size in words."""
    return f"{size[0]} x {size[1]}"


def interval(ends: float | Pair) -> Pair:
    """From -x to x for a number x."""
    return ends if isinstance(ends, tuple) else (-ends, ends)


@checked
@dataclass(frozen=True)
class Normalize:
    """Mean and standard deviation of pixels in [0, 1]; images enter the network as (x / 255 - mean) / std."""

    mean: float = 0.1307
    std: Positive = 0.3081


@checked
@dataclass(frozen=True, kw_only=True)
class RandomRotation(Transform):
    """A random rotation about the centre of the image.

    `degrees`: the angle is uniform in this range, or in [-degrees, degrees], counter-clockwise.
    `on`: "image" transforms the 8-bit image before normalization, with the arithmetic of PIL, and `fill` is a grey
    level (0 to 255); "tensor" transforms the normalized float image, as torchvision does with tensors, and `fill` is
    in normalized units.
    """

    degrees: NotNegative | Pair
    interpolation: Interpolation = "nearest"
    on: On = "image"
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        self._check_ascending("degrees")
        self._check_fill(self.fill)

    @property
    def angles(self) -> Pair:
        """The range of the angle in degrees, counter-clockwise."""
        return interval(self.degrees)


@checked
@dataclass(frozen=True, kw_only=True)
class RandomAffine(Transform):
    """A random rotation, shift, scale and shear.

    `degrees`: the angle is uniform in this range, or in [-degrees, degrees], clockwise about the centre of the image.
    `translate`: the largest shift along each axis as a fraction of the side, rounded to whole pixels; a pair is across
    and down.
    `scale`: the range of a uniform factor.
    `shear`: the range of a uniform angle in degrees by which columns are sheared along rows, or [-shear, shear]; four
    numbers are that range and another one for rows along columns.
    `on`, `fill`: as for `RandomRotation`.
    """

    degrees: NotNegative | Pair = 0.0
    translate: Share | tuple[Share, Share] = 0.0
    scale: tuple[Positive, Positive] = (1.0, 1.0)
    interpolation: Interpolation = "nearest"
    on: On = "image"
    fill: Fill = 0.0
    shear: NotNegative | Pair | tuple[float, float, float, float] = 0.0

    def __repr__(self) -> str:
        """The repr of a dataclass, without a shear of 0, which came later: records identify a recipe by its hash."""
        shown = [field.name for field in fields(self) if field.name != "shear" or self.shear != field.default]
        return f"RandomAffine({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __post_init__(self) -> None:
        self._check_ascending("degrees", "scale", "shear")
        self._check_fill(self.fill)

    @property
    def angles(self) -> Pair:
        """The range of the angle in degrees, counter-clockwise."""
        low, high = interval(self.degrees)
        return -high, -low

    @property
    def reach(self) -> Pair:
        """The largest shifts across and down, as fractions of the sides."""
        return self.translate if isinstance(self.translate, tuple) else (self.translate, self.translate)

    @property
    def shears(self) -> tuple[Pair, Pair]:
        """The ranges of the angles by which columns and rows are sheared."""
        ends = self.shear if isinstance(self.shear, tuple) else interval(self.shear)
        return (ends[0], ends[1]), (ends[2], ends[3]) if len(ends) == 4 else (0.0, 0.0)


@checked
@dataclass(frozen=True)
class RandomDistortion(RandomAffine):
    """A random affine map with a shear and a smooth displacement of all pixels; on="tensor" only.

    `shear`: not an angle, but columns of shift per row of distance from the middle, uniform in [-shear, shear].
    `elastic`: the standard deviation in pixels of the displacements of a 4 x 4 grid of points, drawn independently and
    interpolated by cubics. Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
    visual document analysis", ICDAR 2003, draw one displacement per pixel and smooth them.
    """

    shear: NotNegative = 0.0
    elastic: NotNegative = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on == "image":
            raise ValueError("RandomDistortion acts on tensors only; use on='tensor'")


@checked
@dataclass(frozen=True, kw_only=True)
class RandomPerspective(Transform):
    """With probability `p` a random perspective of the 8-bit image.

    `distortion_scale`: how far each corner moves inwards at most along each axis, as a share of half the side.
    `fill`: the grey level (0 to 255) of what is not of the image.
    """

    distortion_scale: Share = 0.5
    p: Share = 0.5
    interpolation: Interpolation = "bilinear"
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        self._check_fill(self.fill)


@checked
@dataclass(frozen=True, kw_only=True)
class RandomCrop(Transform):
    """A random part of the 8-bit image.

    `padding`: how many pixels are added first: on each side, or two numbers (left and right, above and below), or four
    (left, above, right, below). `fill`: their grey level (0 to 255).
    """

    size: Sides
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

    size: Sides

    def size_after(self, size: Size) -> Size:
        """The size of the middle."""
        return sides(self.size)


@checked
@dataclass(frozen=True, kw_only=True)
class Resize(Transform):
    """The 8-bit image in another size, bilinear, and smoothed where it gets smaller.

    `size`: rows and columns, or the length of the shorter side.
    """

    size: Sides

    def size_after(self, size: Size) -> Size:
        """The new size."""
        if isinstance(self.size, tuple):
            return self.size
        height, width = size
        shorter = min(size)
        return int(self.size * height / shorter), int(self.size * width / shorter)


@checked
@dataclass(frozen=True, kw_only=True)
class ColorJitter(Transform):
    """A random brightness and a random contrast of the 8-bit image, in random order.

    Each is a factor that is uniform in a range: [1 - x, 1 + x] for a number x, though not below 0. torchvision's
    saturation and hue do nothing to a grey image.
    """

    brightness: NotNegative | tuple[NotNegative, NotNegative] = 0.0
    contrast: NotNegative | tuple[NotNegative, NotNegative] = 0.0

    def __post_init__(self) -> None:
        self._check_ascending("brightness", "contrast")

    @staticmethod
    def factors(around: float | Pair) -> Pair:
        """The range of a factor."""
        return around if isinstance(around, tuple) else (max(0.0, 1 - around), 1 + around)
