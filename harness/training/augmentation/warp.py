"""Images whose pixels come from elsewhere in the image: 8-bit images as PIL warps them, floats as torchvision does."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import RandomAffine, RandomRotation
from harness.recipe.transform import Size, level
from harness.training.augmentation.affine import Affine, Distortion, draw
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.sampling import bilinear, middles, nearest


@dataclass(frozen=True)
class Warp:
    """Affine maps or distortions, and what the transform says of their images."""

    transform: RandomRotation | RandomAffine
    affine: Affine

    @classmethod
    def draw(cls, transform: RandomRotation | RandomAffine, size: Size, draws: Draws) -> Self:
        """A map for each image of that size."""
        return cls(transform, draw(transform, size, draws))

    def apply(self, images: Tensor) -> Tensor:
        """Warp uint8 images (N, H, W) or float images (N, C, H, W), whichever the transform acts on."""
        interpolation, fill = self.transform.interpolation, level(self.transform.fill)
        if self.transform.on == "tensor":
            return warp_tensor(images, self.affine, fill, interpolation)
        if interpolation == "nearest":
            return warp_image(images, self.affine, int(fill))
        return warp_between(images, self.affine, int(fill))


def warp_image(images: Tensor, affine: Affine, fill: int) -> Tensor:
    """Nearest-neighbour warp of uint8 images (N, H, W), bit for bit as PIL's `Image.transform(..., AFFINE)`.

    PIL computes in 16.16 fixed point: it rounds coefficients to 1/65536, and the source pixel is the integer part of
    their sum. The same integers give the same pixels. (Of a map that scales and does not turn or shear, PIL adds up
    coordinates in float64: in about one image of a thousand it reads a row or a column from the next pixel.)
    """
    height, width = images.shape[-2:]
    linear, offset = affine._inverse()
    corner = _corner(images, linear, offset)
    # from the corner to the middle of the first pixel
    step, start = _fixed_point(linear), _fixed_point(corner + linear.sum(-1) / 2)
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, :]

    def source(axis: int) -> Tensor:
        along_x, along_y = step[:, axis, 0, None, None], step[:, axis, 1, None, None]
        return (start[:, axis, None, None] + columns * along_x + rows * along_y) >> 16

    return nearest(images, source(0), source(1), fill)


def warp_between(images: Tensor, affine: Affine, fill: int) -> Tensor:
    """Bilinear warp of uint8 images (N, H, W), as PIL's, which computes in float64 and rounds down.

    Bit for bit, unless the last place of a float64 decides between two grey levels.
    """
    linear, offset = affine._inverse()
    corner = _corner(images, linear, offset)
    columns, rows = middles(images)

    def source(axis: int) -> Tensor:
        along_x, along_y = linear[:, axis, 0, None, None], linear[:, axis, 1, None, None]
        return along_x * columns + along_y * rows + corner[:, axis, None, None]

    return bilinear(images, source(0), source(1), fill)


def _corner(images: Tensor, linear: Tensor, offset: Tensor) -> Tensor:
    """Where the corner of each image comes from (N, 2), by maps about the centre."""
    centre = _pair(images.shape[-1] / 2, images.shape[-2] / 2, linear)
    # input = linear @ (output - centre) + offset + centre
    return offset + centre - (linear @ centre)


def _pair(x: float, y: float, like: Tensor) -> Tensor:
    # Filled on the device: for a copy from the host, a GPU would have to be waited for.
    return torch.stack([like.new_full((), x), like.new_full((), y)])


def _fixed_point(coefficients: Tensor) -> Tensor:
    return torch.floor(coefficients * 65536.0 + 0.5).to(torch.int64)


def warp_tensor(images: Tensor, affine: Affine, fill: float, interpolation: str) -> Tensor:
    """Warp of float images (N, C, H, W) by `grid_sample`, as torchvision warps tensors; `fill` outside the image.

    Interpolation mixes the edge of an image with the fill. Bilinear, torchvision's transforms do so twice.
    """
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
