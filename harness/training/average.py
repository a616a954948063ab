"""The exponential moving average of a network's tensors, of which it is a copy at first."""

from collections.abc import Mapping

import torch
from torch import Tensor


def averageable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that an average follows; it has all others as they are.

    A mean of indices or counts is rounded to a neighbour, and that of minus infinity with itself is no number: both
    are constants such as an order of pixels or the mask of an attention.
    """
    floats = {name: value for name, value in tensors.items() if value.is_floating_point() or value.is_complex()}
    return {name: value for name, value in floats.items() if not value.isinf().any()}


@torch.no_grad()
def follow(average: Mapping[str, Tensor], trained: Mapping[str, Tensor], newest: float) -> None:
    """Move an average by a share `newest` of the way to what is trained, in place."""
    torch._foreach_lerp_(list(average.values()), [trained[name] for name in average], newest)
