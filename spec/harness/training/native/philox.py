"""Philox4x32-10 in numpy, and what the kernels draw with it: the masks of dropout and the parameters of augmentations.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The counter is (place, image,
step, purpose), where purpose 0 is the augmentation and 1 + u the dropout of unit u.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.recipe import RandomAffine, RandomDistortion
from harness.training.augmentation.affine import Affine, Distortion

Words = tuple[NDArray[np.uint64], ...]
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(*counter: Any, seed: int) -> Words:
    """Four words of 32 bits for each counter: arrays that broadcast to one shape."""
    a, b, c, d = (np.asarray(word, dtype=np.uint64) for word in counter)
    for turn in range(10):
        low_key = np.uint64((seed + turn * 0x9E3779B9) & 0xFFFFFFFF)
        high_key = np.uint64(((seed >> 32) + turn * 0xBB67AE85) & 0xFFFFFFFF)
        first, second = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = (second >> _32) ^ b ^ low_key, second & _LOW, (first >> _32) ^ d ^ high_key, first & _LOW
    return tuple(np.broadcast_arrays(a, b, c, d))


def kept(rate: float, shape: tuple[int, ...], *, seed: int, step: int, unit: int) -> Tensor:
    """Which numbers of N x C x S x S maps a dropout keeps: a word for each place, four to a counter, rows last."""
    images, places = shape[0], int(np.prod(shape[1:]))
    counters = np.arange(-(-places // 4), dtype=np.uint64)[None, :]
    drawn = philox(counters, np.arange(images, dtype=np.uint64)[:, None], step, 1 + unit, seed=seed)
    flat = np.stack(drawn, axis=-1).reshape(images, -1)[:, :places]
    return torch.from_numpy(flat >= round(rate * 2**32)).view(shape)


def parameters(transform: RandomAffine, images: int, *, seed: int, step: int) -> Affine:
    """The parameters of the images of a batch. Two numbers of 53 bits to a counter."""

    def pair(place: int) -> NDArray[np.float64]:
        words = philox(place, np.arange(images, dtype=np.uint64), step, 0, seed=seed)
        numbers = [
            ((high << _32 | low) >> np.uint64(11)).astype(np.float64) / 2**53
            for high, low in zip(words[::2], words[1::2], strict=True)
        ]
        return np.stack(numbers)

    def between(low: float, high: float, share: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(low + (high - low) * share)

    (turn, size), shifts = pair(0), pair(1)
    reach = transform.reach[0] * 28
    affine = Affine(
        between(*transform.angles, turn),
        between(-reach, reach, shifts.T.copy()).round(),
        between(*transform.scale, size),
    )
    if not isinstance(transform, RandomDistortion):
        return affine
    shear = between(-transform.shear, transform.shear, pair(2)[0])
    normal = []  # by the transform of Box and Muller
    for place in range(3, 19):
        length, angle = pair(place)
        radius = np.sqrt(-2 * np.log(1 - length))
        normal += [radius * np.cos(2 * np.pi * angle), radius * np.sin(2 * np.pi * angle)]
    displacement = transform.elastic * torch.from_numpy(np.stack(normal, axis=1)).view(images, 2, 4, 4)
    return Distortion(**vars(affine), shear=shear, displacement=displacement)
