"""The parameters of affine maps and distortions, one set per image."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.recipe import RandomAffine, RandomDistortion
from harness.recipe.augmentations import Size
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
class Distortion(Affine):
    """An affine map with shear, in columns per row (N,), and displacements of 4 x 4 points in pixels (N, 2, 4, 4)."""

    shear: Tensor
    displacement: Tensor

    def _linear(self) -> Tensor:
        # The shear is applied to output coordinates, and so before the rotation of the inverse.
        turned = super()._linear()
        return turned + torch.stack([F.pad(self.shear[:, None], (1, 0)), torch.zeros_like(turned[:, 0])], -2)


_POINTS = 4  # displaced points per row and column


def draw(transform: RandomAffine, size: Size, draws: Draws) -> Affine:
    """Parameters for images of that size."""
    height, width = size
    # counter-clockwise, as torchvision rotates PIL images and tensors alike
    angle = draws.uniform(-transform.degrees, transform.degrees)
    reach = (transform.translate * width, transform.translate * height)
    shift = [between(-most, most, share) for most, share in zip(reach, draws.uniform(0, 1, 2).unbind(1), strict=True)]
    affine = Affine(angle, torch.stack(shift, 1).round(), draws.uniform(*transform.scale))
    if not isinstance(transform, RandomDistortion):
        return affine
    return Distortion(
        **vars(affine),
        shear=draws.uniform(-transform.shear, transform.shear),
        displacement=transform.elastic * draws.normal(2, _POINTS, _POINTS),
    )
