"""From uint8 images to augmented, normalized batches, on any device.

Each image of a batch has its own angle, shift and scale, and its own distortions; torchvision's transforms draw one set
per batch. With the same parameters the images are those of torchvision: bit for bit those of its transforms of PIL
images (`on="image"`), and up to rounding those of its transforms of tensors (`on="tensor"`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import Normalize, RandomAffine, RandomDistortion, Recipe


@dataclass(frozen=True)
class Affine:
    """Parameters for N images: angle in degrees (N,), shift in whole pixels (N, 2) as (x, y), scale (N,)."""

    angle: Tensor
    shift: Tensor
    scale: Tensor

    def _inverse(self) -> tuple[Tensor, Tensor]:
        """The maps from output to input coordinates about the image centre: linear (N, 2, 2) and offset (N, 2).

        Forward: scale, rotate counter-clockwise as seen on the screen (y points down), then shift.
        """
        linear = self._linear()
        return linear, -(linear @ self.shift.to(linear.dtype)[:, :, None])[:, :, 0]

    def _linear(self) -> Tensor:
        # of the inverse, (N, 2, 2)
        radians = self.angle * (math.pi / 180)
        cos, sin = torch.cos(radians) / self.scale, torch.sin(radians) / self.scale
        return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


@dataclass(frozen=True)
class Distortion(Affine):
    """An affine map with shear, in columns per row (N,), and displacements of 4 x 4 points in pixels (N, 2, 4, 4)."""

    shear: Tensor
    displacement: Tensor

    def _linear(self) -> Tensor:
        # The shear is applied to output coordinates, and so before the rotation of the inverse.
        turned = super()._linear()
        return turned + torch.stack([F.pad(self.shear[:, None], (1, 0)), torch.zeros_like(turned[:, 0])], -2)


_POINTS = 4  # displaced points per row and column


def concatenate(draws: Iterable[Affine]) -> Affine:
    """The parameters of several batches as those of one."""
    draws = list(draws)
    parts = zip(*(vars(batch).values() for batch in draws), strict=True)
    return type(draws[0])(*map(torch.cat, parts))


def draw(transform: RandomAffine, n: int, side: int, generator: torch.Generator) -> Affine:
    """Parameters for n square images of the given side: float64, on the device of the generator."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        unit = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
        return low + (high - low) * unit

    reach = transform.translate * side
    affine = Affine(
        # counter-clockwise, as torchvision rotates PIL images and tensors alike
        angle=uniform(-transform.degrees, transform.degrees, n),
        shift=uniform(-reach, reach, n, 2).round(),
        scale=uniform(*transform.scale, n),
    )
    if not isinstance(transform, RandomDistortion):
        return affine
    shear = uniform(-transform.shear, transform.shear, n)
    shape = n, 2, _POINTS, _POINTS
    normal = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return Distortion(**vars(affine), shear=shear, displacement=transform.elastic * normal)


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


def prepare(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Augment and normalize uint8 images (N, H, W) as the recipe says: float32 (N, 1, H, W)."""
    if recipe.augmentation is None:
        return transformed(images, recipe, None)
    return transformed(images, recipe, draw(recipe.augmentation, len(images), images.shape[-1], generator))


def transformed(images: Tensor, recipe: Recipe, affine: Affine | None) -> Tensor:
    """`prepare` with given parameters of the augmentation for the N images."""
    transform = recipe.augmentation
    if transform is None or affine is None:
        return normalized(images, recipe.normalize)
    if transform.on == "image":
        return normalized(warp_image(images, affine, int(transform.fill)), recipe.normalize)
    floats = normalized(images, recipe.normalize)
    return warp_tensor(floats, affine, transform.fill, transform.interpolation)


def normalized(images: Tensor, normalize: Normalize) -> Tensor:
    """Normalize uint8 images (N, H, W) to float32 (N, 1, H, W), with torchvision's order of operations."""
    return images.unsqueeze(1).to(torch.float32).div_(255).sub_(normalize.mean).div_(normalize.std)
