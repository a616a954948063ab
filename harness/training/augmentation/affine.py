"""The parameters of affine maps and distortions, one set per image."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import RandomAffine, RandomDistortion


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
