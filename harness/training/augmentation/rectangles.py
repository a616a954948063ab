"""Random rectangles in images, as torchvision draws them: again and again, until one fits."""

import math

from torch import Tensor

from harness.recipe.transform import Pair, Size
from harness.training.augmentation.draws import Draws

_TRIES = 10


def tries(scale: Pair, ratio: Pair, size: Size, draws: Draws) -> tuple[Tensor, Tensor]:
    """Two sides, in whole pixels, of ten rectangles for each image: (N, 10), and (N, 10).

    `scale`: the range of the area, as a share of an image of that size; `ratio`: that of the first side divided by the
    second, on a logarithmic scale.
    """
    area = size[0] * size[1] * draws.uniform(*scale, _TRIES)
    low, high = map(math.log, ratio)
    quotient = draws.uniform(low, high, _TRIES).exp()
    return (area * quotient).sqrt().round(), (area / quotient).sqrt().round()


def first(fits: Tensor, *sides: Tensor) -> list[Tensor]:
    """The sides (N,) of the first rectangle that fits, or of the first of all where none does."""
    chosen = fits.int().argmax(1, keepdim=True)
    return [side.gather(1, chosen)[:, 0] for side in sides]
