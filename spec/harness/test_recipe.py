"""Schedules against those of torch, and values that no training can use."""

from typing import Any

import pytest
import torch
from torch import nn

from harness.recipe import Constant, OneCycle, RandomAffine, Recipe, StepLR

STEPS = 40


def optimizer() -> torch.optim.SGD:
    """An optimizer with a base rate of 1, so that its rate is the factor."""
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def test_step_lr_is_that_of_torch() -> None:
    sgd = optimizer()
    scheduler = torch.optim.lr_scheduler.StepLR(sgd, step_size=6, gamma=0.1)
    for epoch in range(20):
        assert StepLR(6, gamma=0.1).factor(epoch, 0, 20) == pytest.approx(sgd.param_groups[0]["lr"])
        sgd.step()
        scheduler.step()


def test_one_cycle_is_that_of_torch() -> None:
    sgd = optimizer()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=1.0, total_steps=STEPS, cycle_momentum=False)
    for step in range(STEPS):
        assert OneCycle().factor(0, step, STEPS) == pytest.approx(sgd.param_groups[0]["lr"], abs=1e-12)
        if step < STEPS - 1:
            sgd.step()
            scheduler.step()


def test_a_constant_rate_stays() -> None:
    assert {Constant().factor(epoch, epoch, 15) for epoch in range(15)} == {1.0}


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"batch_size": 0}, {"epochs": 0}, {"epochs": -1}, {"average": 1.0}])
def test_values_that_cannot_be_trained_with_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"Recipe.{next(iter(wrong))}"):
        Recipe(**{"lr": 0.1, "batch_size": 64, "epochs": 15, **wrong})


def test_a_warp_of_8_bit_images_has_no_bilinear_form() -> None:
    with pytest.raises(ValueError, match="on='tensor'"):
        RandomAffine(interpolation="bilinear")


def test_a_recipe_is_a_value() -> None:
    assert Recipe(lr=0.1, batch_size=64, epochs=15) == Recipe(lr=0.1, batch_size=64, epochs=15)
    assert Recipe(lr=0.1, batch_size=64, epochs=15) != Recipe(lr=0.1, batch_size=64, epochs=14)
