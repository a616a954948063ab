"""Transforms that leave pixels in their places and change their values."""

from dataclasses import dataclass

from harness.recipe.checks import NotNegative, checked
from harness.recipe.transform import Pair, Transform


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
