"""Dropout masks that are a function of seed, step, layer and place, as a GPU draws them: for all networks at once.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, with the counter
of the native trainer: four places, the image of the batch, the step, and what the words are for. Nothing has to be kept
between two steps but how many there were, so that a recorded graph can draw and a checkpoint needs no generator.
"""

import math
import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Words = Callable[[list[int], Tensor, Tensor, int, int], Tensor]
"""Of a shape (N, S, ...), the seeds and the step, for a purpose: which words are no less than the last argument."""

_LOW = 0xFFFFFFFF


@torch.library.custom_op("harness::kept", mutates_args=())
def kept(shape: list[int], seeds: Tensor, step: Tensor, layer: int, rate: float) -> Tensor:
    """Which elements of inputs (N, S, ...) of S networks are kept: a bool each, true with probability 1 - rate.

    `seeds` (S,) int64 and `step`, a single int64, are on the device, and so is the result.
    """
    words = fastest(seeds.device) if seeds.is_cuda else by_torch
    return words(shape, seeds, step, 1 + layer, round(rate * 2**32))


@kept.register_fake
def _(shape: list[int], seeds: Tensor, step: Tensor, layer: int, rate: float) -> Tensor:
    return seeds.new_empty(shape, dtype=torch.bool)


def by_torch(shape: list[int], seeds: Tensor, step: Tensor, purpose: int, least: int) -> Tensor:
    """By some hundred operations of torch, on any device."""
    images, networks, *rest = shape
    places = math.prod(rest)
    a = torch.arange(math.ceil(places / 4), device=seeds.device)
    b = torch.arange(images, device=seeds.device).view(-1, 1, 1)
    c, d = step & _LOW, torch.full_like(step, purpose)
    low, high = (seeds & _LOW).view(-1, 1), (seeds >> 32 & _LOW).view(-1, 1)
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c  # modulo 2^64, with a sign that the masks take off
        a, b, c, d = (second >> 32 & _LOW) ^ b ^ low, second & _LOW, (first >> 32 & _LOW) ^ d ^ high, first & _LOW
        low, high = low + 0x9E3779B9 & _LOW, high + 0xBB67AE85 & _LOW
    words = torch.stack(torch.broadcast_tensors(a, b, c, d), dim=-1)
    return (words.reshape(images, networks, -1)[..., :places] >= least).view(shape)


def mask_facts(device: torch.device) -> dict[str, str]:
    """Which implementation draws dropout masks on a GPU, since a step's time depends on it; nothing on a CPU."""
    return {"masks": fastest(device).__name__} if device.type == "cuda" else {}


@cache
def fastest(device: torch.device) -> Words:
    """By Triton, where that works and draws the same: it does not without a C compiler, or on Windows."""
    try:
        from harness.training.philox_triton import by_triton

        seeds, step = torch.tensor([3, 2**40], device=device), torch.tensor(5, device=device)
        with warnings.catch_warnings(action="ignore"):  # of what Triton's next version does otherwise
            words = [draw([3, 2, 7], seeds, step, 1, 2**31) for draw in (by_triton, by_torch)]
        return by_triton if torch.equal(*words) else by_torch
    except Exception:  # whatever it says
        return by_torch
