"""Perspective of 8-bit images, as torchvision draws it and PIL computes it."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.recipe import RandomPerspective
from harness.recipe.transform import Size, level
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.sampling import bilinear, middles, nearest


@dataclass(frozen=True)
class Perspective:
    """Which of N images change (N,), and where their corners go.

    `x`, `y`: columns and rows (N, 4) of the corners, from the upper left one on, clockwise.
    """

    transform: RandomPerspective
    changed: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def draw(cls, transform: RandomPerspective, size: Size, draws: Draws) -> Self:
        """Each corner goes inwards by whole pixels along both axes."""
        right, lower = size[1] - 1, size[0] - 1
        across, down = (int(transform.distortion_scale * (side // 2)) + 1 for side in (size[1], size[0]))
        changed = draws.happens(transform.p)
        a, b, c, d = draws.whole(across, 4).unbind(1)
        x = torch.stack([a, right - b, right - c, d], 1)
        a, b, c, d = draws.whole(down, 4).unbind(1)
        y = torch.stack([a, b, lower - c, lower - d], 1)
        return cls(transform, changed, x, y)

    def apply(self, images: Tensor) -> Tensor:
        """Uint8 images (N, H, W), bit for bit as PIL's for the same coefficients."""
        terms = self.coefficients(images.shape[-2], images.shape[-1]).double()[:, :, None, None].unbind(1)
        columns, rows = middles(images)
        scale = terms[6] * columns + terms[7] * rows + 1
        x = (terms[0] * columns + terms[1] * rows + terms[2]) / scale
        y = (terms[3] * columns + terms[4] * rows + terms[5]) / scale
        fill = int(level(self.transform.fill))
        if self.transform.interpolation == "nearest":
            moved = nearest(images, x.floor(), y.floor(), fill)
        else:
            moved = bilinear(images, x, y, fill)
        return moved.where(self.changed[:, None, None], images)

    def coefficients(self, height: int, width: int) -> Tensor:
        """What PIL takes: (N, 8) float32, by which a pixel finds its source.

        Heckbert, "Fundamentals of texture mapping and image warping", 1989, has the map from the unit square to four
        corners; this is its inverse. torchvision solves eight equations with LAPACK, which is slower; by its rounding
        errors, in one image of a thousand, a few pixels whose source lies exactly on the border are the fill instead,
        or are not.
        """
        x, y = self.x.unbind(1), self.y.unbind(1)
        (right_x, lower_x), (right_y, lower_y) = ((at[1] - at[2], at[3] - at[2]) for at in (x, y))
        skew_x, skew_y = (at[0] - at[1] + at[2] - at[3] for at in (x, y))
        area = right_x * lower_y - lower_x * right_y
        g, h = (skew_x * lower_y - lower_x * skew_y) / area, (right_x * skew_y - skew_x * right_y) / area
        a, b, c = x[1] - x[0] + g * x[1], x[3] - x[0] + h * x[3], x[0]
        d, e, f = y[1] - y[0] + g * y[1], y[3] - y[0] + h * y[3], y[0]
        to_x = [(width - 1) * term for term in (e - f * h, c * h - b, b * f - c * e)]
        to_y = [(height - 1) * term for term in (f * g - d, a - c * g, c * d - a * f)]
        terms = torch.stack([*to_x, *to_y, d * h - e * g, b * g - a * h], 1)
        return (terms / (a * e - b * d)[:, None]).float()
