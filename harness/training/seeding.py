"""The generators that the constructor of a network may draw from: torch's, numpy's and Python's global ones."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all three. At the end those of numpy and Python are as before; that of torch stays, for the training."""
    _seed_torch(seed)
    of_python, of_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed((seed % 2**32, seed >> 32))
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _seed_torch(seed: int) -> None:
    """Seed torch's generators; where there is no GPU, without noting the whole stack for one that may come."""
    if torch.cuda.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
