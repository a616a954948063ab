"""MNIST as tensors: loaded, parsed from the idx format, and split."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.data import download
from harness.data.download import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Arrays, find
from harness.errors import HarnessError


@dataclass(frozen=True)
class MNIST:
    """The training and the test set: uint8 images (N, 28, 28) and int64 labels (N,)."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def to(self, device: torch.device | str) -> "MNIST":
        """The same data on a device."""
        return MNIST(*(tensor.to(device) for tensor in vars(self).values()))

    def arrays(self) -> Arrays:
        """For another process: arrays are pickled as bytes, tensors go through shared memory, which may be small."""
        return {name: tensor.cpu().numpy() for name, tensor in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "MNIST":
        """The inverse of `arrays`; copies, as arrays from another process may be read-only."""
        return cls(**{name: torch.from_numpy(array.copy()) for name, array in arrays.items()})


def load(path: str | Path | None = None) -> MNIST:
    """MNIST from the folder `path`, else from MNIST_DIR, else from the cache, into which missing files are downloaded.

    Raises HarnessError if that folder is incomplete or damaged, the cache cannot be written, or no source works.
    """
    raw = find(path)[1]
    train, test = parse(raw[TRAIN_IMAGES], 3), parse(raw[TEST_IMAGES], 3)
    return MNIST(train, parse(raw[TRAIN_LABELS], 1).long(), test, parse(raw[TEST_LABELS], 1).long())


def load_test_images(path: str | Path | None = None) -> Tensor | None:
    """The test images (N, 28, 28) uint8, from where `load` looks for them; None if missing, as nothing is fetched."""
    [file] = [file for file in download.FILES if file.name == TEST_IMAGES]
    try:
        return parse(download.read(download.named_folder(path) or download.cache(), file), 3)
    except download.SourceError:
        return None


def hold_out(data: MNIST, n: int = 10_000, seed: int = 0) -> MNIST:
    """Split the training images: `test_*` of the result are the n held out, `train_*` the others, in their order.

    Stratified: each class gives its share of n, rounded by largest remainder. The test set of `data` is not used.
    Raises ValueError unless 0 < n < N.
    """
    labels = data.train_labels.cpu().numpy()
    if not 0 < n < len(labels):
        raise ValueError(f"cannot hold out {n} of {len(labels)} images")
    shares, remainders = np.divmod(np.bincount(labels) * n, len(labels))
    shares[np.argsort(-remainders, kind="stable")[: n - shares.sum()]] += 1
    # The stream of RandomState is frozen: the split is the same with every version of numpy and torch.
    random = np.random.RandomState(seed)
    chosen = [random.permutation(np.flatnonzero(labels == label))[:share] for label, share in enumerate(shares)]
    held = torch.zeros(len(labels), dtype=torch.bool, device=data.train_labels.device)
    held[torch.from_numpy(np.concatenate(chosen)).to(held.device)] = True
    images, targets = data.train_images, data.train_labels
    return MNIST(images[~held], targets[~held], images[held], targets[held])


def parse(raw: bytes, dimensions: int) -> Tensor:
    """The uint8 tensor in the bytes of an idx file; HarnessError if they are anything else."""
    start = 4 + 4 * dimensions
    magic, *shape = (int.from_bytes(raw[i : i + 4], "big") for i in range(0, start, 4))
    if magic != 0x0800 + dimensions or len(raw) != start + math.prod(shape):
        has = f"magic number {magic:#010x}, shape {shape}, {len(raw)} bytes"
        raise HarnessError(f"not an idx file of bytes in {dimensions} dimensions: {has}")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=start).reshape(shape)
