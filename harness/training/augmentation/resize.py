"""8-bit images in another size, bit for bit as PIL resamples them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import Resize
from harness.recipe.transform import Size
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.resampling import rows, triangles


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

        PIL 13 resamples columns first where an image gets lower and wider, and for some sizes lower and narrower: a
        difference of up to one grey level.
        """
        height, width = self.transform.size_after((images.shape[-2], images.shape[-1]))
        return _rows(_rows(images, width).mT, height).mT.contiguous()


def _rows(images: Tensor, width: int) -> Tensor:
    """Images (N, H, W) with rows of that width."""
    n = images.shape[-1]
    if n == width:
        return images
    pixel = torch.arange(n, device=images.device, dtype=torch.float64)[:, None]
    return rows(images, triangles(pixel, pixel.new_full((), n), width))
