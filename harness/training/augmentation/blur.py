"""Images blurred by a Gaussian, as by torchvision."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import GaussianBlur
from harness.recipe.transform import Size, pair
from harness.training.augmentation.draws import Draws


@dataclass(frozen=True)
class Blur:
    """The standard deviations in pixels by which N images are blurred (N,)."""

    transform: GaussianBlur
    sigma: Tensor

    @classmethod
    def draw(cls, transform: GaussianBlur, size: Size, draws: Draws) -> Self:
        """The same across and down."""
        return cls(transform, draws.uniform(*transform.deviations))

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W) or float images (N, 1, H, W), whichever the transform acts on.

        torchvision adds up in float32 also where it blurs 8-bit images: bit for bit as here, unless the last place of a
        float32 decides between two grey levels.
        """
        wide, high = pair(self.transform.kernel_size)
        across, down = _weights(images.shape[-1], wide, self.sigma), _weights(images.shape[-2], high, self.sigma)
        blurred = (down.mT @ (images.flatten(0, -3).double() @ across)).view_as(images)
        return blurred.round().to(torch.uint8) if self.transform.on == "image" else blurred.float()


def _weights(side: int, kernel_size: int, sigma: Tensor) -> Tensor:
    """The weight of each pixel of a row in each blurred one: (N, side, side) float64."""
    offset = torch.arange(kernel_size, device=sigma.device) - kernel_size // 2
    gaussian = torch.exp(-0.5 * (offset / sigma[:, None]).square())
    gaussian = gaussian / gaussian.sum(1, keepdim=True)
    pixel = torch.arange(side, device=sigma.device)
    # mirrored at the first pixel and at the last
    source = side - 1 - (side - 1 - (pixel[:, None] + offset).abs()).abs()
    is_source = (source[:, :, None] == pixel).double()  # (blurred, offset, pixel)
    return torch.einsum("nk,bkp->npb", gaussian, is_source)
