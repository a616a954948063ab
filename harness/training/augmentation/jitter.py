"""Brightness and contrast of 8-bit images, bit for bit as PIL blends them."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import ColorJitter
from harness.recipe.transform import Size
from harness.training.augmentation.draws import Draws


@dataclass(frozen=True)
class Jitter:
    """Factors of N images (N,), and in which of them the contrast comes first (N,)."""

    contrast_first: Tensor
    brightness: Tensor
    contrast: Tensor

    @classmethod
    def draw(cls, transform: ColorJitter, size: Size, draws: Draws) -> Self:
        """Both orders are as likely."""
        contrast_first = draws.happens(0.5)
        brightness = draws.uniform(*transform.factors(transform.brightness))
        return cls(contrast_first, brightness, draws.uniform(*transform.factors(transform.contrast)))

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W)."""
        for is_contrast in (self.contrast_first, ~self.contrast_first):
            # Less of it is nearer to the mean of the image, or to black.
            mean = (images.double().mean((1, 2)) + 0.5).floor()
            images = _blend(mean.where(is_contrast, 0), images, self.contrast.where(is_contrast, self.brightness))
        return images


def _blend(level: Tensor, images: Tensor, share: Tensor) -> Tensor:
    """From a grey level (N,) for a share of 0 to the images for a share of 1, and beyond: float32, rounded down."""
    level, share = level.float()[:, None, None], share.float()[:, None, None]
    return (level + share * (images - level)).clamp(0, 255).to(torch.uint8)
