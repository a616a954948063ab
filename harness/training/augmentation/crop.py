"""Parts of 8-bit images: pixels are left out or added, and none is changed."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import CenterCrop, RandomCrop
from harness.recipe.transform import Size, level, pair
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.sampling import nearest


@dataclass(frozen=True)
class Crop:
    """Which row (N,) and which column (N,) of the padded images are the first."""

    transform: RandomCrop
    top: Tensor
    left: Tensor

    @classmethod
    def draw(cls, transform: RandomCrop, size: Size, draws: Draws) -> Self:
        """All places where the part lies within the padded image are as likely."""
        left, above, right, below = transform.borders
        height, width = transform.size_after(size)
        rows, columns = size[0] + above + below - height + 1, size[1] + left + right - width + 1
        return cls(transform, draws.whole(rows), draws.whole(columns))

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W)."""
        left, above, _, _ = self.transform.borders
        height, width = pair(self.transform.size)
        rows = torch.arange(height, device=images.device)[None, :, None] + self.top[:, None, None] - above
        columns = torch.arange(width, device=images.device)[None, None, :] + self.left[:, None, None] - left
        return nearest(images, columns, rows, int(level(self.transform.fill)))


@dataclass(frozen=True)
class Center:
    """The middle, for which nothing is drawn."""

    transform: CenterCrop

    @classmethod
    def draw(cls, transform: CenterCrop, size: Size, draws: Draws) -> Self:
        """The same for all images."""
        return cls(transform)

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W)."""
        above, below = _borders(images.shape[-2], pair(self.transform.size)[0])
        left, right = _borders(images.shape[-1], pair(self.transform.size)[1])
        return F.pad(images, (left, right, above, below))


def _borders(now: int, wanted: int) -> tuple[int, int]:
    """The pixels to add before and behind; fewer than none are taken away."""
    # torchvision rounds a half to the even number where it crops, and down where it pads
    before = -round((now - wanted) / 2) if now > wanted else (wanted - now) // 2
    return before, wanted - now - before
