"""Rows of images as weighted sums of the pixels of other rows."""

import torch
from torch import Tensor

_ONE = 1 << 22  # PIL's weights are fixed-point numbers


def rows(images: Tensor, weights: Tensor) -> Tensor:
    """Uint8 images (N, H, W) with rows of sums by weights (W, V) or (N, W, V), bit for bit as PIL has them."""
    # whole numbers below 2 ** 53 are exact in float64
    sums = images.double() @ (weights * _ONE + 0.5).floor()
    return (sums / _ONE + 0.5).floor().to(torch.uint8)


def triangles(pixel: Tensor, n: Tensor, width: int) -> Tensor:
    """The weight of pixels in each of the `width` that n of them become: (W, width) or (N, W, width) float64.

    A triangle around the middle of the new pixel, as wide as two pixels of the coarser of both images.
    `pixel`: their places (W, 1) or (N, W, 1), of which the n from 0 on are taken; `n`: () or (N, 1, 1); both float64.
    """
    scale = n / width
    reach = scale.clamp(min=1)
    middle = (torch.arange(width, device=pixel.device, dtype=torch.float64) + 0.5) * scale
    near = (pixel >= (middle - reach + 0.5).trunc()) & (pixel < (middle + reach + 0.5).trunc())
    near &= (pixel >= 0) & (pixel < n)
    weights = (1 - ((pixel - middle + 0.5) * (1 / reach)).abs()).clamp(min=0).where(near, 0)
    return weights / weights.sum(-2, keepdim=True)
