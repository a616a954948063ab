"""Schedules are those of torch, step by step."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from harness.recipe import (
    Adam,
    Constant,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycle,
    OneCycleLR,
    Recipe,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from harness.recipe.schedules import AnySchedule

LR, EPOCHS, BATCHES = 0.2, 20, 3

Scheduler = Callable[[torch.optim.Optimizer], Any]


def recipe(schedule: AnySchedule, **rest: Any) -> Recipe:
    return Recipe(lr=LR, batch_size=1, epochs=EPOCHS, schedule=schedule, **rest)


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR, momentum=0.9)


def sequence(sgd: torch.optim.Optimizer) -> lr_scheduler.SequentialLR:
    parts = [
        lr_scheduler.LinearLR(sgd, 0.1, total_iters=3),
        lr_scheduler.CosineAnnealingLR(sgd, 8, 0.01),
        lr_scheduler.ExponentialLR(sgd, 0.7),
    ]
    return lr_scheduler.SequentialLR(sgd, parts, [3, 11])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Constant(), lambda sgd: lr_scheduler.ConstantLR(sgd, 1.0)),
        (StepLR(6), lambda sgd: lr_scheduler.StepLR(sgd, 6)),
        (StepLR(1, gamma=1.1), lambda sgd: lr_scheduler.StepLR(sgd, 1, gamma=1.1)),
        (MultiStepLR((2, 5, 5, 17)), lambda sgd: lr_scheduler.MultiStepLR(sgd, [2, 5, 5, 17])),
        (MultiStepLR((9, 4), gamma=0.5), lambda sgd: lr_scheduler.MultiStepLR(sgd, [9, 4], gamma=0.5)),
        (ExponentialLR(0.8), lambda sgd: lr_scheduler.ExponentialLR(sgd, 0.8)),
        (CosineAnnealingLR(20), lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, 20)),
        (CosineAnnealingLR(7, eta_min=0.05), lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, 7, eta_min=0.05)),
        (LinearLR(), lr_scheduler.LinearLR),
        (LinearLR(0.5, 0.1, total_iters=9), lambda sgd: lr_scheduler.LinearLR(sgd, 0.5, 0.1, total_iters=9)),
        (
            SequentialLR((LinearLR(0.1, total_iters=3), CosineAnnealingLR(8, 0.01), ExponentialLR(0.7)), (3, 11)),
            sequence,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step()`")  # SequentialLR calls it so
def test_a_schedule_of_epochs_is_that_of_torch(ours: AnySchedule, theirs: Scheduler) -> None:
    sgd = optimizer()
    scheduler = theirs(sgd)
    for epoch in range(EPOCHS):
        for step in range(BATCHES):
            assert recipe(ours).rate(epoch, step, BATCHES) == pytest.approx(
                sgd.param_groups[0]["lr"], rel=1e-9, abs=1e-15
            )
            assert recipe(ours).cycled_momentum(epoch, step, BATCHES) is None
        sgd.step()
        scheduler.step()


@pytest.mark.parametrize("cycle_momentum", [True, False])
@pytest.mark.parametrize("anneal_strategy", ["cos", "linear"])
@pytest.mark.parametrize(
    ("three_phase", "pct_start"),
    [(False, 0.3), (False, 0.0), (False, 0.9), (True, 0.3), (True, 0.05), (True, 0.45)],
)
def test_one_cycle_lr_is_that_of_torch(
    anneal_strategy: Any, three_phase: bool, cycle_momentum: bool, pct_start: float
) -> None:
    settings: dict[str, Any] = {
        "pct_start": pct_start,
        "anneal_strategy": anneal_strategy,
        "three_phase": three_phase,
        "cycle_momentum": cycle_momentum,
        "base_momentum": 0.8,
        "max_momentum": 0.9,
        "div_factor": 10.0,
    }
    sgd, total = optimizer(), EPOCHS * BATCHES
    scheduler = lr_scheduler.OneCycleLR(sgd, max_lr=LR, total_steps=total, **settings)
    ours = recipe(OneCycleLR(**settings))
    for number in range(total):
        [group], at = sgd.param_groups, divmod(number, BATCHES)
        assert ours.rate(*at, BATCHES) == pytest.approx(group["lr"], rel=1e-9)
        assert (ours.cycled_momentum(*at, BATCHES) or 0.9) == pytest.approx(group["momentum"], rel=1e-9)
        assert (ours.cycled_momentum(*at, BATCHES) is None) is not cycle_momentum
        sgd.step()
        if number < total - 1:
            scheduler.step()


def test_one_cycle_is_that_of_torch_without_the_momentum() -> None:
    sgd, total = optimizer(), EPOCHS * BATCHES
    scheduler = lr_scheduler.OneCycleLR(sgd, max_lr=LR, total_steps=total, cycle_momentum=False)
    for number in range(total):
        assert recipe(OneCycle()).rate(*divmod(number, BATCHES), BATCHES) == pytest.approx(sgd.param_groups[0]["lr"])
        sgd.step()
        if number < total - 1:
            scheduler.step()


@pytest.mark.parametrize(
    "schedule", [OneCycle(0.5), OneCycleLR(pct_start=0.5), OneCycle(1.0), OneCycle(0.0), OneCycle()]
)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_cycle_of_few_steps_has_a_rate_for_each(schedule: AnySchedule, steps: int) -> None:
    """Where its rise is a single step, torch divides by zero."""
    few = Recipe(lr=LR, batch_size=1, epochs=steps, schedule=schedule)
    assert all(0 < few.rate(epoch, 0, 1) <= LR for epoch in range(steps))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patience": 0},
        {"patience": 1, "cooldown": 2, "factor": 0.5},
        {"patience": 1, "threshold_mode": "abs", "threshold": 0.2},
        {"patience": 0, "min_lr": 0.05, "factor": 0.7},
        {"patience": 0, "eps": 0.01},
        {"patience": 1, "threshold": 0.1},
    ],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_is_that_of_torch(settings: dict[str, Any], mode: Any) -> None:
    sgd, draws = optimizer(), random.Random(4)
    scheduler = lr_scheduler.ReduceLROnPlateau(sgd, mode, **settings)
    ours = recipe(ReduceLROnPlateau(mode=mode, **settings), validation=0.1)
    held_out: list[float] = []
    rates = set()
    for epoch in range(EPOCHS):
        assert ours.rate(epoch, 1, BATCHES, held_out) == pytest.approx(sgd.param_groups[0]["lr"], rel=1e-9)
        held_out.append((1 if mode == "min" else -1) / (1 + epoch) + draws.random())
        sgd.step()
        scheduler.step(held_out[-1])
        rates.add(sgd.param_groups[0]["lr"])
    assert settings == {} or len(rates) > 1


def test_a_loss_that_is_not_finite_is_no_better() -> None:
    ours = recipe(ReduceLROnPlateau(patience=0), validation=0.1)
    assert ours.rate(2, 0, BATCHES, [1.0, float("nan")]) == pytest.approx(0.1 * LR)


def test_adam_has_the_momentum_of_a_cycle_too() -> None:
    assert recipe(OneCycleLR(), optimizer=Adam()).cycled_momentum(0, 0, BATCHES) == 0.95
