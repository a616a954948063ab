"""What happens to an image before it enters the network: normalization, and changes that are drawn anew each time.

Transforms have the names, the arguments and the meaning of torchvision's, and every image has draws of its own.
"""

from dataclasses import dataclass
from typing import Literal

from harness.recipe.checks import Positive, checked

Size = tuple[int, int]
"""Rows and columns of an image."""
Interpolation = Literal["nearest", "bilinear"]
On = Literal["image", "tensor"]


class Transform:
    """A change of images, drawn anew for every image in every epoch."""

    @property
    def on(self) -> On:
        """Whether it acts on 8-bit images or, after their normalization, on tensors."""
        return "image"


@checked
@dataclass(frozen=True)
class Normalize:
    """Mean and standard deviation of pixels in [0, 1]; images enter the network as (x / 255 - mean) / std."""

    mean: float = 0.1307
    std: Positive = 0.3081


@checked
@dataclass(frozen=True, kw_only=True)
class RandomAffine(Transform):
    """A random rotation, shift and scale, drawn anew for every image in every epoch.

    `degrees`: the angle is uniform in [-degrees, degrees], counter-clockwise about the centre of the image.
    `translate`: the largest shift along each axis as a fraction of the side, rounded to whole pixels.
    `scale`: the range of a uniform factor.
    `on`: "image" transforms the 8-bit image before normalization, with the arithmetic of PIL, and `fill` is a grey
    level (0 to 255); "tensor" transforms the normalized float image, as torchvision does with tensors, and `fill` is
    in normalized units.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    interpolation: Interpolation = "nearest"
    on: On = "image"
    fill: float = 0.0

    def __post_init__(self) -> None:
        if self.on == "image" and self.interpolation != "nearest":
            raise ValueError("RandomAffine on 8-bit images interpolates by nearest neighbour only; use on='tensor'")


@checked
@dataclass(frozen=True)
class RandomDistortion(RandomAffine):
    """A random affine map with a shear and a smooth displacement of all pixels; on="tensor" only.

    `shear`: columns of shift per row of distance from the middle, uniform in [-shear, shear].
    `elastic`: the standard deviation in pixels of the displacements of a 4 x 4 grid of points, drawn independently and
    interpolated by cubics. Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
    visual document analysis", ICDAR 2003, draw one displacement per pixel and smooth them.
    """

    shear: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on == "image":
            raise ValueError("RandomDistortion acts on tensors only; use on='tensor'")
