"""MNIST with twelve images per file, intact and damaged, and an empty cache.

The expected tensors are drawn here and packed with `struct`; nothing here shares code with `harness.data`.
"""

import gc
import gzip
import hashlib
import struct
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from platformdirs import user_cache_path

from harness.data import MNIST, download
from harness.data.download import File

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
NUMBERS = np.random.RandomState(0)
# As many training as test images, so that swapped files have the right length.
ARRAYS = {
    name: NUMBERS.randint(0, 256 if "images" in name else 10, (12, 28, 28) if "images" in name else 12, dtype=np.uint8)
    for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
}
SMALL = {
    name: (struct.pack(">4I", 2051, 12, 28, 28) if "images" in name else struct.pack(">2I", 2049, 12)) + array.tobytes()
    for name, array in ARRAYS.items()
}
PACKED = {f"{name}.gz": gzip.compress(raw) for name, raw in SMALL.items()}
SWAPPED = {
    TRAIN_IMAGES: SMALL[TEST_IMAGES],
    TEST_IMAGES: SMALL[TRAIN_IMAGES],
    TRAIN_LABELS: SMALL[TEST_LABELS],
    TEST_LABELS: SMALL[TRAIN_LABELS],
}
BOMB = gzip.compress(bytes(32 << 20))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small files expected, an empty cache, no mirror, and nothing on the PATH: no test reaches a network."""
    monkeypatch.setattr(download, "FILES", tuple(expected(name) for name in SMALL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MNIST_DIR", raising=False)
    use_mirrors(monkeypatch)
    path = user_cache_path("mnist-ladders")
    assert path.is_relative_to(tmp_path), path
    return path


def expected(name: str) -> File:
    return File(name, len(SMALL[name]), hashlib.sha256(SMALL[name]).hexdigest())


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    """Replace torchvision by a stand-in that lists these mirrors."""
    datasets = SimpleNamespace(MNIST=SimpleNamespace(mirrors=list(mirrors)))
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=datasets))


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check(mnist: MNIST) -> None:
    """The tensors are those drawn at the top."""
    for name, tensor in zip(SMALL, vars(mnist).values(), strict=True):
        assert tensor.dtype == (torch.uint8 if "images" in name else torch.int64), f"{name} has {tensor.dtype}"
        np.testing.assert_array_equal(tensor.numpy(), ARRAYS[name])


class within:  # noqa: N801 (reads as a statement)
    """Fails if Python holds more than `limit` bytes at any time inside the block.

    What earlier tests left to be collected is collected before it: its last acts may need memory of their own.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()
        tracemalloc.start()

    def __exit__(self, *error: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        gc.enable()
        assert peak < self.limit, f"{peak:,} bytes were held"
