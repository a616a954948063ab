"""The words of `philox` in one kernel for all networks, by Triton, which comes with torch for CUDA on Linux."""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from harness.device import current

_BLOCK = 256
_MOST = 2**31 - 4 * _BLOCK  # words that int32 counts, those after the last in its block included


@triton.jit(do_not_specialize=["purpose", "least", "first"])  # type: ignore[untyped-decorator]
def kernel(out, seeds, now, purpose, least, first, networks, places, counters, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Which words are no less than `least`, of places (rows, places); a counter is for four places of a row.

    A row is an image of a network: that of image first + i and network s is i * networks + s.
    """
    quads = tl.cdiv(places, 4)
    counter = tl.program_id(0) * block + tl.arange(0, block)
    row = counter // quads
    seed = tl.load(seeds + row % networks, mask=counter < counters, other=0)
    image, step = (first + row // networks).to(tl.uint32), tl.load(now).to(tl.uint32)
    a, b, c, d = tl.philox(seed, (counter % quads).to(tl.uint32), image, step, purpose)
    words = tl.interleave(tl.interleave(a, c), tl.interleave(b, d))  # a0 b0 c0 d0 a1 ...
    word = tl.program_id(0) * 4 * block + tl.arange(0, 4 * block)
    row, place = word // (4 * quads), word % (4 * quads)
    inside = (word < 4 * counters) & (place < places)
    tl.store(out + row.to(tl.int64) * places + place, words.to(tl.int64) >= least, mask=inside)


def by_triton(shape: list[int], seeds: Tensor, step: Tensor, purpose: int, least: int) -> Tensor:
    """By one kernel on a GPU, or several where its 32 bits do not count all words."""
    images, networks, *rest = shape
    places = math.prod(rest)
    kept = torch.empty(shape, dtype=torch.bool, device=seeds.device)
    counters = networks * math.ceil(places / 4)  # of an image
    at_once = max(1, _MOST // (4 * counters))
    with current(seeds.device):  # on which Triton launches, wherever the tensors are
        for first in range(0, images, at_once):
            part = kept[first : first + at_once].view(torch.uint8)
            grid = (triton.cdiv(len(part) * counters, _BLOCK),)
            numbers = purpose, least, first, networks, places, len(part) * counters
            kernel[grid](part, seeds, step, *numbers, block=_BLOCK)
    return kept
