"""The generators that a network may draw from: torch's, and in its constructor numpy's and Python's global ones too."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from harness.errors import ForeignError


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


@contextmanager
def drawing_from_torch() -> Iterator[None]:
    """ForeignError for a forward that draws from numpy's or Python's, which nothing seeds while a network trains."""
    before = _of_others()
    yield
    for name, state in _of_others().items():
        if state != before[name]:
            raise ForeignError(f"its forward draws from {name}, which no seed of a run reaches; draw with torch")


def _of_others() -> dict[str, str]:
    """The state of each generator that is none of torch's."""
    return {"random": str(random.getstate()), "numpy.random": str(np.random.get_state(legacy=False))}


def _seed_torch(seed: int) -> None:
    """Seed torch's generators; where there is no GPU, without noting the whole stack for one that may come."""
    if torch.cuda.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
