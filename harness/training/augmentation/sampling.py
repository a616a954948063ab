"""Pixels of 8-bit images at given places, bit for bit as PIL reads them."""

import torch
from torch import Tensor

from harness.training.augmentation.draws import between


def middles(images: Tensor) -> tuple[Tensor, Tensor]:
    """The middles of the pixels of images (N, H, W): columns (1, 1, W) and rows (1, H, 1), float64."""
    height, width = images.shape[-2:]
    columns, rows = (torch.arange(n, device=images.device, dtype=torch.float64) + 0.5 for n in (width, height))
    return columns[None, None, :], rows[None, :, None]


def nearest(images: Tensor, x: Tensor, y: Tensor, fill: int) -> Tensor:
    """The pixels in columns x and rows y, whole numbers (N, H, W), of uint8 images (N, H, W); `fill` outside."""
    height, width = images.shape[-2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return _gather(images, (y * width + x).where(inside, 0)).masked_fill_(~inside, fill)


def bilinear(images: Tensor, x: Tensor, y: Tensor, fill: int) -> Tensor:
    """Between pixels of uint8 images (N, H, W), rounded down; x and y are float64 (N, H, W).

    The middle of the first pixel is at 0.5; beyond the middles of the outermost pixels there is no change, and outside
    of them is `fill`.
    """
    height, width = images.shape[-2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.where(inside, 0), y.where(inside, 0)
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    right_share, lower_share = x - 0.5 - left, y - 0.5 - top
    first, second = ((left + step).clamp(0, width - 1) for step in (0, 1))
    upper, lower = (
        between(_gather(images, row + first).double(), _gather(images, row + second), right_share)
        for row in ((top + step).clamp(0, height - 1) * width for step in (0, 1))
    )
    return between(upper, lower, lower_share).to(torch.uint8).masked_fill_(~inside, fill)


def _gather(images: Tensor, index: Tensor) -> Tensor:
    """The pixels with these numbers (N, h, w), counted along rows."""
    return images.flatten(1).gather(1, index.long().flatten(1)).view_as(index)
