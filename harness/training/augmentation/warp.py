"""Images whose pixels come from elsewhere in the image: 8-bit images as PIL warps them, floats as torchvision does."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import RandomAffine
from harness.recipe.augmentations import Size
from harness.training.augmentation.affine import Affine, Distortion, draw
from harness.training.augmentation.draws import Draws


@dataclass(frozen=True)
class Warp:
    """Affine maps or distortions, and what the transform says of their images."""

    transform: RandomAffine
    affine: Affine

    @classmethod
    def draw(cls, transform: RandomAffine, size: Size, draws: Draws) -> Self:
        """A map for each image of that size."""
        return cls(transform, draw(transform, size, draws))

    def apply(self, images: Tensor) -> Tensor:
        """Warp uint8 images (N, H, W) or float images (N, C, H, W), whichever the transform acts on."""
        if self.transform.on == "image":
            return warp_image(images, self.affine, int(self.transform.fill))
        return warp_tensor(images, self.affine, self.transform.fill, self.transform.interpolation)


def warp_image(images: Tensor, affine: Affine, fill: int) -> Tensor:
    """Nearest-neighbour warp of uint8 images (N, H, W), bit for bit as PIL's `Image.transform(..., AFFINE)`.

    PIL computes in 16.16 fixed point: it rounds coefficients to 1/65536, and the source pixel is the integer part of
    their sum. The same integers give the same pixels.
    """
    n, height, width = images.shape
    linear, offset = affine._inverse()
    centre = _pair(width / 2, height / 2, linear)
    # input = linear @ (output - centre) + offset + centre, where output is the middle (+ 1/2) of a pixel
    origin = offset + centre - (linear @ centre) + linear.sum(-1) / 2
    step, start = _fixed_point(linear), _fixed_point(origin)
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, :]

    def source(axis: int) -> Tensor:
        along_x, along_y = step[:, axis, 0, None, None], step[:, axis, 1, None, None]
        return (start[:, axis, None, None] + columns * along_x + rows * along_y) >> 16

    x, y = source(0), source(1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = torch.where(inside, y * width + x, 0).view(n, -1)
    warped = images.reshape(n, -1).gather(1, index).view_as(images)
    return warped.masked_fill_(~inside, fill)


def _pair(x: float, y: float, like: Tensor) -> Tensor:
    # Filled on the device: a CUDA graph cannot hold a copy from unpinned memory of the host.
    return torch.stack([like.new_full((), x), like.new_full((), y)])


def _fixed_point(coefficients: Tensor) -> Tensor:
    return torch.floor(coefficients * 65536.0 + 0.5).to(torch.int64)


def warp_tensor(images: Tensor, affine: Affine, fill: float, interpolation: str) -> Tensor:
    """Warp of float images (N, C, H, W) by `grid_sample`, as torchvision warps tensors; `fill` outside the image."""
    height, width = images.shape[-2:]
    linear, offset = affine._inverse()
    half = _pair(width / 2, height / 2, linear)
    # in units of half a side, as affine_grid expects
    theta = torch.cat([linear * half[None, None, :] / half[None, :, None], (offset / half)[:, :, None]], -1)
    grid = F.affine_grid(theta.to(images.dtype), list(images.shape), align_corners=False)
    if isinstance(affine, Distortion):
        points = (affine.displacement / half[None, :, None, None]).to(images.dtype)
        smooth = F.interpolate(points, size=(height, width), mode="bicubic", align_corners=False)
        grid = grid + smooth.permute(0, 2, 3, 1)
    return F.grid_sample(images - fill, grid, mode=interpolation, padding_mode="zeros", align_corners=False) + fill
