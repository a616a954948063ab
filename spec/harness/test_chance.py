"""No fast test passes or fails by chance: all that could differ between runs is fixed.

For the chance that the main job fails, see `test_readme`.
"""

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_test_draws_the_same_numbers(time: str) -> None:
    drawn = random.random(), np.random.random(), torch.rand(()).item()
    assert drawn == pytest.approx((0.844422, 0.548814, 0.496257), abs=1e-6), f"the {time} test draws others"


def test_the_examples_of_hypothesis_are_fixed_and_not_timed(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("hypothesis_profile", None):
        pytest.skip("another profile was asked for")
    for item in request.session.items:
        test: Any = getattr(item, "function", None)
        if hasattr(test, "hypothesis"):
            own: settings = test._hypothesis_internal_use_settings
            assert own.derandomize or test._hypothesis_internal_use_seed is not None, item.nodeid
            assert own.deadline is None, item.nodeid
