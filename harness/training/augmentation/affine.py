"""The parameters of affine maps and distortions, one set per image."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import RandomAffine, RandomDistortion, RandomRotation
from harness.recipe.transform import Size
from harness.training.augmentation.draws import Draws, between


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
class Rotation(Affine):
    """A rotation alone, whose sine and cosine PIL rounds to 15 digits: so that a right angle is one."""

    def _linear(self) -> Tensor:
        return super()._linear().round(decimals=15)


@dataclass(frozen=True)
class Distortion(Affine):
    """An affine map with shear, in columns per row (N,), and displacements of 4 x 4 points in pixels (N, 2, 4, 4)."""

    shear: Tensor
    displacement: Tensor

    def _linear(self) -> Tensor:
        # The shear is applied to output coordinates, and so before the rotation of the inverse.
        turned = super()._linear()
        return turned + torch.stack([F.pad(self.shear[:, None], (1, 0)), torch.zeros_like(turned[:, 0])], -2)


@dataclass(frozen=True)
class Sheared(Affine):
    """An affine map with shear, in degrees of columns and of rows (N, 2)."""

    shear: Tensor

    def _linear(self) -> Tensor:
        # As torchvision has it, whose angle is clockwise.
        angle = self.angle * (-math.pi / 180)
        of_columns, of_rows = (self.shear * (math.pi / 180)).unbind(1)
        tangent, stretch = torch.tan(of_columns), torch.cos(of_rows)
        a, c = torch.cos(angle - of_rows) / stretch, torch.sin(angle - of_rows) / stretch
        b, d = -a * tangent - torch.sin(angle), -c * tangent + torch.cos(angle)
        return torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / self.scale[:, None, None]


_POINTS = 4  # displaced points per row and column


def draw(transform: RandomRotation | RandomAffine, size: Size, draws: Draws) -> Affine:
    """Parameters for images of that size."""
    angle = draws.uniform(*transform.angles)
    if isinstance(transform, RandomRotation):
        return Rotation(angle, torch.zeros_like(angle)[:, None].expand(-1, 2), torch.ones_like(angle))
    height, width = size
    reach = (transform.reach[0] * width, transform.reach[1] * height)
    shift = [between(-most, most, share) for most, share in zip(reach, draws.uniform(0, 1, 2).unbind(1), strict=True)]
    affine = Affine(angle, torch.stack(shift, 1).round(), draws.uniform(*transform.scale))
    if isinstance(transform, RandomDistortion):
        shear = draws.uniform(-transform.shear, transform.shear)
        return Distortion(
            **vars(affine), shear=shear, displacement=transform.elastic * draws.normal(2, _POINTS, _POINTS)
        )
    if transform.shear == 0:
        return affine
    shares = draws.uniform(0, 1, 2).unbind(1)
    sheared = [between(*ends, share) for ends, share in zip(transform.shears, shares, strict=True)]
    return Sheared(**vars(affine), shear=torch.stack(sheared, 1))
