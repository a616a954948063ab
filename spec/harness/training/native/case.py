"""A few steps of a network: run by the library in this process, or written for `driver.cpp` and read back.

The file of a case holds arrays, each after its size in bytes as a little-endian integer of 64 bits: batch size and
number of the first step (int64); the settings; images (uint8), labels and order (int64), rates (float32); then of the
network, and of its teacher, units, weights, momentum, average, running statistics and their average, empty for none.
The file of a result holds the five arrays of the network, logits, the sum of losses (float64) and the hits (int64).
"""

import ctypes
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.recipe import Recipe
from harness.training.native import library
from harness.training.native.trainer import Network
from spec.harness.training.native.eager import noise

RESULT = ("weights", "momentum", "average", "statistics", "average of statistics", "logits", "loss", "hits")


@dataclass(frozen=True)
class Case:
    """What is trained, and how. The teacher is a network, not the weights of a step."""

    network: nn.Module
    recipe: Recipe
    teacher: nn.Module | None = None
    share: float = 0.7
    temperature: float = 3.0
    steps: int = 3
    images: int = 60
    order: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Draw the order of the images, with a last batch of fewer."""
        n = self.steps * self.recipe.batch_size - 3
        random = torch.Generator().manual_seed(1)
        object.__setattr__(self, "order", torch.randint(0, self.images, (n,), generator=random))

    def settings(self) -> library.Settings:
        """The recipe as the kernels take it."""
        settings = library.settings_of(self.recipe, seed=0x1234_5678_9ABC_DEF0)
        if self.teacher is not None:
            settings.share, settings.temperature = self.share, self.temperature
        return settings

    def rates(self) -> ctypes.Array[ctypes.c_float]:
        """The rates of the steps, each with another."""
        return (ctypes.c_float * self.steps)(*(self.recipe.lr / (1 + step) for step in range(self.steps)))

    def networks(self) -> list[Network]:
        """The network and its teacher, if there is one."""
        averaged = self.recipe.average is not None
        own = Network(deepcopy(self.network), self.recipe.batch_size, average=averaged)
        return [own] if self.teacher is None else [own, Network(deepcopy(self.teacher), self.recipe.batch_size)]

    def in_process(self, threads: int = 1) -> dict[str, bytes]:
        """The result of the library."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            own, *teacher = self.networks()
        finally:
            torch.set_num_threads(before)
        data, settings = noise(self.images), self.settings()
        loss, hits = ctypes.c_double(), ctypes.c_int64()
        library.load().train(
            own.handle,
            teacher[0].handle if teacher else None,
            ctypes.byref(settings),
            data.train_images.data_ptr(),
            data.train_labels.data_ptr(),
            self.order.data_ptr(),
            len(self.order),
            self.recipe.batch_size,
            self.rates(),
            7,
            ctypes.byref(loss),
            ctypes.byref(hits),
        )
        logits = own.predict(settings, data.train_images)
        arrays = [own.parameters, own.momentum, own.average, own.buffers, own.average_buffers, logits]
        return dict(zip(RESULT, [*map(raw, arrays), bytes(loss), bytes(hits)], strict=True))

    def write(self, path: Path) -> None:
        """The file for `driver.cpp`."""
        data = noise(self.images)
        parts = [
            raw(torch.tensor([self.recipe.batch_size, 7])),
            bytes(self.settings()),
            *map(raw, (data.train_images, data.train_labels, self.order)),
            bytes(self.rates()),
        ]
        for network in self.networks():
            parts.append(b"".join(map(bytes, network.plan.units)))
            arrays = (network.parameters, network.momentum, network.average, network.buffers, network.average_buffers)
            parts += map(raw, arrays)
        if self.teacher is None:
            parts += [b""] * 6
        path.write_bytes(b"".join(len(part).to_bytes(8, "little") + part for part in parts))


def result(path: Path) -> dict[str, bytes]:
    """What `driver.cpp` wrote."""
    rest, parts = path.read_bytes(), []
    while rest:
        size = int.from_bytes(rest[:8], "little")
        parts.append(rest[8 : 8 + size])
        rest = rest[8 + size :]
    return dict(zip(RESULT, parts, strict=True))


def raw(array: Tensor | None) -> bytes:
    """The bytes of a tensor; none of None."""
    return b"" if array is None else array.contiguous().numpy().tobytes()
