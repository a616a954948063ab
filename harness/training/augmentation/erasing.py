"""Rectangles of normalized images that get another value, as by torchvision."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import RandomErasing
from harness.recipe.transform import Size, level
from harness.training.augmentation import rectangles
from harness.training.augmentation.draws import Draws


@dataclass(frozen=True)
class Erasing:
    """Rectangles of N images: which are erased (N,), their first row and column, height and width (N,).

    `value`: what the pixels become, a number or (N, 1, H, W).
    """

    erased: Tensor
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    value: float | Tensor

    @classmethod
    def draw(cls, transform: RandomErasing, size: Size, draws: Draws) -> Self:
        """Ten rectangles for each image, of which the first counts that is neither as high nor as wide."""
        happens = draws.happens(transform.p)
        heights, widths = rectangles.tries(transform.scale, transform.ratio, size, draws)
        fits = (heights < size[0]) & (widths < size[1])
        height, width = rectangles.first(fits, heights, widths)
        top, left = draws.whole(size[0] - height + 1), draws.whole(size[1] - width + 1)
        value = draws.normal(1, *size).float() if transform.value == "random" else level(transform.value)
        return cls(happens & fits.any(1), top, left, height, width, value)

    def apply(self, images: Tensor) -> Tensor:
        """Float images (N, C, H, W)."""
        rows = _inside(self.top, self.height, images.shape[-2], images.device)
        columns = _inside(self.left, self.width, images.shape[-1], images.device)
        inside = rows[:, None, :, None] & columns[:, None, None, :] & self.erased[:, None, None, None]
        return torch.where(inside, self.value, images)


def _inside(first: Tensor, length: Tensor, side: int, device: torch.device) -> Tensor:
    """Which of the rows or columns of each image are in its rectangle: (N, side) bool."""
    places = torch.arange(side, device=device)
    return (places >= first[:, None]) & (places < (first + length)[:, None])
