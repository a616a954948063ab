"""8-bit images in another size, bit for bit as PIL resamples them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import Resize
from harness.recipe.transform import Size
from harness.training.augmentation.draws import Draws

_ONE = 1 << 22  # PIL's weights are fixed-point numbers


@dataclass(frozen=True)
class Resized:
    """Another size, for which nothing is drawn."""

    transform: Resize

    @classmethod
    def draw(cls, transform: Resize, size: Size, draws: Draws) -> Self:
        """The same for all images."""
        return cls(transform)

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W): rows are resampled to 8 bits, and then columns.

        PIL 13 resamples columns first where an image gets lower and wider: a difference of up to one grey level.
        """
        height, width = self.transform.size_after((images.shape[-2], images.shape[-1]))
        return _rows(_rows(images, width).mT, height).mT.contiguous()


def _rows(images: Tensor, width: int) -> Tensor:
    """Images (N, H, W) with rows of that width."""
    if images.shape[-1] == width:
        return images
    # whole numbers below 2 ** 53 are exact in float64
    sums = images.double() @ _weights(images.shape[-1], width, images.device)
    return (sums / _ONE + 0.5).floor().to(torch.uint8)


def _weights(n: int, width: int, device: torch.device) -> Tensor:
    """The weight of each of n pixels in each of the `width` that come of them: (n, width) float64, in units of 2^-22.

    A triangle around the middle of the new pixel, as wide as two pixels of the coarser of both images.
    """
    scale = n / width
    reach = max(scale, 1.0)
    middle = (torch.arange(width, device=device, dtype=torch.float64) + 0.5) * scale
    pixel = torch.arange(n, device=device, dtype=torch.float64)[:, None]
    near = (pixel >= (middle - reach + 0.5).trunc()) & (pixel < (middle + reach + 0.5).trunc())
    weights = (1 - ((pixel - middle + 0.5) * (1 / reach)).abs()).clamp(min=0).where(near, 0)
    return (weights / weights.sum(0) * _ONE + 0.5).floor()
