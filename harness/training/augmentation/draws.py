"""Random numbers for the images of a batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Draws:
    """Random numbers for n images of each of S networks: N = S n images, those of one network after the other.

    Each network has a generator, which gives what it would give alone. Numbers are float64, on the device of the
    generators, and as many whatever their values: no image depends on another.
    """

    def __init__(self, generators: Sequence[torch.Generator], n: int) -> None:
        self.generators, self.n = generators, n

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform in [low, high): (N, *shape)."""
        return between(low, high, self._stacked(torch.rand, shape))

    def normal(self, *shape: int) -> Tensor:
        """Normal with a mean of 0 and a standard deviation of 1: (N, *shape)."""
        return self._stacked(torch.randn, shape)

    def whole(self, n: int | Tensor, *shape: int) -> Tensor:
        """Whole numbers from 0 to n - 1: (N, *shape)."""
        return (self.uniform(0, 1, *shape) * n).floor()

    def happens(self, p: float) -> Tensor:
        """True with probability p: (N,) bool."""
        return self.uniform(0, 1) < p

    def _stacked(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        shape = self.n, *shape
        return torch.cat(
            [draw(shape, generator=own, device=own.device, dtype=torch.float64) for own in self.generators]
        )


def between(low: float | Tensor, high: float | Tensor, share: Tensor) -> Tensor:
    """The numbers at those shares of the way from low to high."""
    return low + (high - low) * share
