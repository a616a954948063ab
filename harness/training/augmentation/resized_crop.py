"""Parts of images in another size, as by torchvision: 8-bit images as PIL resamples them, floats as torch does."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor

from harness.recipe import RandomResizedCrop
from harness.recipe.transform import Size, pair
from harness.training.augmentation import rectangles, sampling
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.resampling import rows, triangles


@dataclass(frozen=True)
class ResizedCrop:
    """The first row and column of the parts of N images, their height and their width: (N,) float64 each."""

    transform: RandomResizedCrop
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    @classmethod
    def draw(cls, transform: RandomResizedCrop, size: Size, draws: Draws) -> Self:
        """Ten parts for each image, of which the first counts that lies within it."""
        widths, heights = rectangles.tries(transform.scale, transform.ratio, size, draws)
        fits = (heights > 0) & (heights <= size[0]) & (widths > 0) & (widths <= size[1])
        found, largest = fits.any(1), transform.largest(size)
        height, width = (
            part.where(found, most) for part, most in zip(rectangles.first(fits, heights, widths), largest, strict=True)
        )
        top, left = (
            draws.whole(side - part + 1).where(found, (side - most) // 2)
            for side, part, most in zip(size, (height, width), largest, strict=True)
        )
        return cls(transform, top, left, height, width)

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W) or float images (N, 1, H, W), whichever the transform acts on.

        PIL 13 resamples columns first in some parts that get lower: a difference of up to one grey level.
        """
        flat = images.flatten(0, -3)
        resized = self._nearest(flat) if self.transform.interpolation == "nearest" else self._bilinear(flat)
        return resized.view(*images.shape[:-2], *resized.shape[-2:])

    def _bilinear(self, images: Tensor) -> Tensor:
        height, width = pair(self.transform.size)
        across = _weights(images.shape[-1], self.left, self.width, width)
        down = _weights(images.shape[-2], self.top, self.height, height)
        if self.transform.on == "image":
            return rows(rows(images, across).mT, down).mT.contiguous()
        return (down.mT @ (images.double() @ across)).float()

    def _nearest(self, images: Tensor) -> Tensor:
        source = _of_image if self.transform.on == "image" else _of_tensor
        height, width = pair(self.transform.size)
        x = self.left[:, None] + source(self.width, width)
        y = self.top[:, None] + source(self.height, height)
        return sampling.nearest(images, x[:, None, :], y[:, :, None], 0)


def _weights(side: int, first: Tensor, n: Tensor, length: int) -> Tensor:
    """The weights (N, side, length) of all pixels of a row in those that n of them, from `first` on, become."""
    pixel = torch.arange(side, device=n.device, dtype=torch.float64)[None, :, None] - first[:, None, None]
    return triangles(pixel, n[:, None, None], length)


def _of_image(n: Tensor, length: int) -> Tensor:
    """Which of n pixels become the `length` (N, length): PIL adds up how far it is from one to the next."""
    step = n / length
    return torch.stack(list(accumulate([step / 2] + [step] * (length - 1))), 1).floor()


def _of_tensor(n: Tensor, length: int) -> Tensor:
    """As torch has it, which reads the pixel at the upper left corner of the new one, in float32."""
    places = torch.arange(length, device=n.device, dtype=torch.float32)
    return (places * (n.float() / length)[:, None]).floor().minimum(n[:, None].float() - 1).double()
