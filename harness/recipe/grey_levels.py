"""Transforms that leave pixels in their places and change their values."""

from dataclasses import dataclass, field
from typing import Literal

from harness.recipe.checks import NotNegative, Positive, Share, checked
from harness.recipe.transform import Fill, On, Pair, Sides, Size, Transform, pair, shown


@checked
@dataclass(frozen=True, kw_only=True)
class ColorJitter(Transform):
    """A random brightness and a random contrast of the 8-bit image, in random order.

    Each is a factor that is uniform in a range: [1 - x, 1 + x] for a number x, though not below 0. torchvision's
    saturation and hue do nothing to a grey image.
    """

    brightness: NotNegative | tuple[NotNegative, NotNegative] = field(default=0.0, kw_only=False)
    contrast: NotNegative | tuple[NotNegative, NotNegative] = 0.0

    def __post_init__(self) -> None:
        self._check_ascending("brightness", "contrast")

    @staticmethod
    def factors(around: float | Pair) -> Pair:
        """The range of a factor."""
        return around if isinstance(around, tuple) else (max(0.0, 1 - around), 1 + around)


@checked
@dataclass(frozen=True, kw_only=True)
class RandomErasing(Transform):
    """With probability `p` a random rectangle of the normalized tensor gets another value.

    `scale`: the range of its area, as a share of the image; `ratio`: that of its height divided by its width, on a
    logarithmic scale. A rectangle as high or as wide as the image is drawn again, up to nine times.
    `value`: in normalized units, or "random" for standard normal noise.
    """

    p: Share = field(default=0.5, kw_only=False)
    scale: tuple[Share, Share] = (0.02, 0.33)
    ratio: tuple[Positive, Positive] = (0.3, 3.3)
    value: Fill | Literal["random"] = 0.0

    def __post_init__(self) -> None:
        self._check_ascending("scale", "ratio")

    @property
    def on(self) -> On:
        """Tensors: torchvision refuses PIL images."""
        return "tensor"


@checked
@dataclass(frozen=True, kw_only=True)
class GaussianBlur(Transform):
    """Each pixel becomes an average of those around it, with the weights of a Gaussian; the image is mirrored outside.

    `kernel_size`: how many pixels are averaged, an odd number; a pair is across and down.
    `sigma`: the standard deviation of the Gaussian in pixels, or the range in which it is uniform.
    `on`: as for `RandomRotation`.
    """

    kernel_size: Sides = field(kw_only=False)
    sigma: Positive | tuple[Positive, Positive] = (0.1, 2.0)
    on: On = "image"

    def __post_init__(self) -> None:
        if not all(side % 2 for side in pair(self.kernel_size)):
            raise ValueError(f"GaussianBlur.kernel_size must be odd, not {self.kernel_size}")
        self._check_ascending("sigma")

    @property
    def deviations(self) -> Pair:
        """The range of the standard deviation."""
        return pair(self.sigma)

    def size_after(self, size: Size) -> Size:
        """The same, of at least as many pixels as lie on one side of the middle of the kernel, and one more."""
        across, down = pair(self.kernel_size)
        if down // 2 >= size[0] or across // 2 >= size[1]:
            raise ValueError(
                f"GaussianBlur.kernel_size must be at most {2 * size[1] - 1} across and {2 * size[0] - 1} down, for "
                f"images of {shown(size)}, not {self.kernel_size}"
            )
        return size
