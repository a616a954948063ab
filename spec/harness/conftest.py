"""Loads what cannot be loaded twice, and leaves nothing to chance: numbers and examples are the same in every run.

pytester forgets the modules that its inner run imports, and torch starts once. So does matplotlib, with which a run
that trained draws its report.
"""

import random

import numpy as np
import pytest
import torch
import torchvision  # noqa: F401
from hypothesis import settings

import harness.report.page  # noqa: F401

settings.register_profile("fixed", derandomize=True, deadline=None)  # a deadline fails on a machine that is busy


def pytest_configure(config: pytest.Config) -> None:
    """Fixed examples unless another profile is asked for; of pytest-randomly the order alone."""
    if not config.getoption("hypothesis_profile", None):
        settings.load_profile("fixed")
    config.option.randomly_reset_seed = False


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Each test draws the same numbers, alone or after any other."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
