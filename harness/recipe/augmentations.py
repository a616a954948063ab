"""What happens to an image before it enters the network: normalization, and changes that are drawn anew each time.

Transforms have the names, the arguments and the meaning of torchvision's, the first of which needs no name, and every
image has draws of its own. Those here move pixels by a map; `crops`, `grey_levels` and `sequence` have the others.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated

from harness.recipe.checks import NotNegative, Positive, Range, Share, checked
from harness.recipe.transform import Fill, Interpolation, On, Pair, Transform, interval, pair


@checked
@dataclass(frozen=True)
class Normalize:
    """Mean and standard deviation of pixels in [0, 1]; images enter the network as (x / 255 - mean) / std."""

    mean: float = 0.1307
    std: Annotated[float, Range(least=1e-30)] = 0.3081


@checked
@dataclass(frozen=True, kw_only=True)
class RandomRotation(Transform):
    """A random rotation about the centre of the image.

    `degrees`: the angle is uniform in this range, or in [-degrees, degrees], counter-clockwise.
    `on`: "image" transforms the 8-bit image before normalization, with the arithmetic of PIL, and `fill` is a grey
    level (0 to 255); "tensor" transforms the normalized float image, as torchvision does with tensors, and `fill` is
    in normalized units.
    """

    degrees: NotNegative | Pair = field(kw_only=False)
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

    degrees: NotNegative | Pair = field(default=0.0, kw_only=False)
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
        return pair(self.translate)

    @property
    def shears(self) -> tuple[Pair, Pair]:
        """The ranges of the angles by which columns and rows are sheared."""
        ends = self.shear if isinstance(self.shear, tuple) else interval(self.shear)
        return (ends[0], ends[1]), (ends[2], ends[3]) if len(ends) == 4 else (0.0, 0.0)


@checked
@dataclass(frozen=True, kw_only=True)
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

    distortion_scale: Share = field(default=0.5, kw_only=False)
    p: Share = 0.5
    interpolation: Interpolation = "bilinear"
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        self._check_fill(self.fill)
