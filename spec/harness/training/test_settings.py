"""Each setting of a recipe trains as a plain loop of torch does, alone and among others, and resumes."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.recipe import Adadelta, Adam, AdamW, MultiStepLR, OneCycleLR, RMSprop
from harness.step import Step
from harness.training import native
from harness.training.augmentation import normalized
from harness.training.ensemble import ensemble_trainer
from harness.training.native.trainer import refusal_of
from harness.training.optimizers import optimizer_of
from harness.training.overfit import overfit_one_batch
from harness.training.trainer import Trainer, single_trainer

RECIPE = Recipe(lr=0.01, batch_size=32, epochs=2)
MEAN, STD = RECIPE.normalize.mean, RECIPE.normalize.std

Parameters = list[nn.Parameter]


class Network(nn.Module):
    """In double precision, so that the order of a sum does not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4), nn.ReLU()),
            *(nn.Conv2d(4, 10, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1)),
        ).double()

    def forward(self, images: Tensor) -> Tensor:
        log_probabilities: Tensor = self.layers(images.double())
        return log_probabilities


class Late(Network):
    """With a layer that acts from the second training step on."""

    def __init__(self) -> None:
        super().__init__()
        self.late, self.steps = nn.Linear(10, 10).double(), 0

    def forward(self, images: Tensor) -> Tensor:
        log_probabilities = super().forward(images)
        self.steps += self.training
        return self.late(log_probabilities).log_softmax(1) if self.steps > 1 else log_probabilities


def test_a_layer_that_has_its_first_gradient_late_is_trained_as_by_torch(data: MNIST) -> None:
    recipe = replace(RECIPE, momentum=0.9, weight_decay=1e-3)
    own = Late()
    theirs = deepcopy(own)
    plain = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)
    images = normalized(data.train_images[:32], recipe.normalize)
    for model, optimizer in ((own, optimizer_of(own.parameters(), recipe, 0.01)), (theirs, plain)):
        for _ in range(4):
            optimizer.zero_grad()
            F.nll_loss(model(images), data.train_labels[:32]).backward()
            optimizer.step()
    for weight, expected in zip(own.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-12, atol=1e-12)


def test_complex_weights_are_trained() -> None:
    weight = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    optimizer = optimizer_of([weight], RECIPE, 0.01)
    weight.abs().sum().backward()
    optimizer.step()
    assert weight.detach().abs().max() < 1


def step_of(**settings: Any) -> type[Step]:
    recipe = replace(RECIPE, **settings)
    return type("Step", (StepSpec,), {"model": Network, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    """180 images: five batches of 32 and one of 20."""
    return synthetic(180)


def plain_loop(
    data: MNIST,
    seed: int,
    optimizer_of: Callable[[Parameters], torch.optim.Optimizer],
    scheduler_of: Callable[[torch.optim.Optimizer], Any] | None = None,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
    penalty_of: Callable[[Parameters], Tensor | float] = lambda weights: 0.0,
    clip: Callable[[Parameters], object] = len,
    drop_last: bool = False,
) -> tuple[dict[str, Tensor], list[float]]:
    """Two epochs as in a notebook, with a scheduler that steps after every batch: the weights, and the mean losses."""
    torch.manual_seed(seed)
    model = Network().train()
    weights = list(model.parameters())
    optimizer = optimizer_of(weights)
    scheduler = scheduler_of(optimizer) if scheduler_of else None
    shuffle = torch.Generator().manual_seed(seed)
    means: list[float] = []
    for _ in range(2):
        batches = torch.randperm(len(data.train_labels), generator=shuffle).split(32)
        losses = []
        for index in batches[:-1] if drop_last else batches:
            images = (data.train_images[index][:, None] / 255 - MEAN) / STD
            optimizer.zero_grad()
            loss = loss_of(model(images), data.train_labels[index]) + penalty_of(weights)
            loss.backward()
            clip(weights)
            optimizer.step()
            losses.append(loss.item())
            if scheduler and len(means) * 6 + len(losses) < 12:  # a cycle ends with its last step
                scheduler.step()
        means.append(sum(losses) / len(losses))
    return model.state_dict(), means


def sgd(weights: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=0.01, momentum=0.9)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "SGD": ({"weight_decay": 0.01}, {"optimizer_of": lambda w: torch.optim.SGD(w, 0.01, 0.9, weight_decay=0.01)}),
    "Adadelta": (
        {"optimizer": Adadelta(rho=0.8, eps=1e-5), "weight_decay": 0.1, "lr": 0.5},
        {"optimizer_of": lambda w: torch.optim.Adadelta(w, 0.5, 0.8, 1e-5, 0.1)},
    ),
    "Adam": (
        {"optimizer": Adam(betas=(0.8, 0.99), eps=1e-6), "weight_decay": 0.1},
        {"optimizer_of": lambda w: torch.optim.Adam(w, 0.01, (0.8, 0.99), 1e-6, weight_decay=0.1)},
    ),
    "amsgrad": (
        {"optimizer": Adam(amsgrad=True)},
        {"optimizer_of": lambda w: torch.optim.Adam(w, 0.01, amsgrad=True)},
    ),
    "AdamW": (
        {"optimizer": AdamW(), "weight_decay": 0.1},
        {"optimizer_of": lambda w: torch.optim.AdamW(w, 0.01, weight_decay=0.1)},
    ),
    "RMSprop": (
        {"optimizer": RMSprop(alpha=0.9, momentum=0.5, centered=True), "weight_decay": 0.1, "lr": 0.001},
        {"optimizer_of": lambda w: torch.optim.RMSprop(w, 0.001, 0.9, 1e-8, 0.1, 0.5, centered=True)},
    ),
    "label smoothing": (
        {"label_smoothing": 0.1},
        {"optimizer_of": sgd, "loss_of": lambda p, labels: F.cross_entropy(p, labels, label_smoothing=0.1)},
    ),
    "L1": (
        {"l1": 0.003},
        {"optimizer_of": sgd, "penalty_of": lambda weights: 0.003 * sum(w.abs().sum() for w in weights)},
    ),
    "clipping by norm": (
        {"clip_grad_norm": 0.1},
        {"optimizer_of": sgd, "clip": lambda weights: nn.utils.clip_grad_norm_(weights, 0.1)},
    ),
    "clipping by value": (
        {"clip_grad_value": 0.01},
        {"optimizer_of": sgd, "clip": lambda weights: nn.utils.clip_grad_value_(weights, 0.01)},
    ),
    "drop_last": ({"drop_last": True}, {"optimizer_of": sgd, "drop_last": True}),
    "OneCycleLR": (
        {"schedule": OneCycleLR()},
        {"optimizer_of": sgd, "scheduler_of": lambda sgd: lr_scheduler.OneCycleLR(sgd, 0.01, total_steps=12)},
    ),
    "OneCycleLR with Adam": (
        {"schedule": OneCycleLR(), "optimizer": Adam()},
        {
            "optimizer_of": lambda weights: torch.optim.Adam(weights, 0.01),
            "scheduler_of": lambda adam: lr_scheduler.OneCycleLR(adam, 0.01, total_steps=12),
        },
    ),
    "OneCycleLR with RMSprop": (
        {"schedule": OneCycleLR(base_momentum=0.1, max_momentum=0.2), "optimizer": RMSprop(), "lr": 0.001},
        {
            "optimizer_of": lambda weights: torch.optim.RMSprop(weights, 0.001),
            "scheduler_of": lambda rms: lr_scheduler.OneCycleLR(
                rms, 0.001, total_steps=12, base_momentum=0.1, max_momentum=0.2
            ),
        },
    ),
    "MultiStepLR": (
        {"schedule": MultiStepLR((1,), 0.5)},
        {"optimizer_of": sgd, "scheduler_of": lambda sgd: lr_scheduler.MultiStepLR(sgd, [6], 0.5)},
    ),
}


def weights_of(trainer: Trainer, network: int | None = None) -> dict[str, Tensor]:
    found = {name: value for name, value in trainer.state().items() if name.startswith("model.")}
    return {name: value if network is None else value[network] for name, value in found.items()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == {f"model.{name}" for name in expected}
    for name, value in expected.items():
        torch.testing.assert_close(found[f"model.{name}"], value, atol=tolerance, rtol=tolerance)


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_a_setting_trains_as_a_plain_loop_alone_and_among_others(case: str, data: MNIST) -> None:
    settings, loop = CASES[case]
    step = step_of(**settings)
    seeds = (3, 8)
    several = ensemble_trainer(step, seeds, data)
    among = [several.train_epoch() for _ in range(2)]
    for network, seed in enumerate(seeds):
        expected, losses = plain_loop(data, seed, **loop)
        one = single_trainer(step, seed, data)
        trained = [one.train_epoch()[0] for _ in range(2)]
        assert [loss for loss, _ in trained] == pytest.approx(losses, abs=1e-6)
        assert_same(weights_of(one), expected, 1e-7)
        assert [epoch[network][0] for epoch in among] == pytest.approx(losses, abs=1e-6)
        assert_same(weights_of(several, network), expected, 1e-5)  # its rate is in single precision


@pytest.mark.parametrize("case", [case for case in CASES if case != "SGD"])
def test_a_setting_changes_what_is_trained(case: str, data: MNIST) -> None:
    found = []
    for settings in (CASES[case][0], {}):
        trainer = single_trainer(step_of(**settings), 3, data)
        trainer.train_epoch()
        if case == "MultiStepLR":
            trainer.train_epoch()
        found.append(trainer.state()["model.layers.0.weight"])
    assert not torch.equal(*found)


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seeds", [(3,), (3, 8)], ids=["alone", "together"])
def test_the_state_of_every_optimizer_resumes(case: str, seeds: tuple[int, ...]) -> None:
    """With two batches in an epoch, one of 32 and one of 20."""
    step, data = step_of(**CASES[case][0]), synthetic(52)

    def trainer() -> Trainer:
        return single_trainer(step, seeds[0], data) if len(seeds) == 1 else ensemble_trainer(step, seeds, data)

    whole = trainer()
    whole.train_epoch()
    saved = {name: value.clone() for name, value in whole.state().items()}
    whole.train_epoch()
    resumed = trainer()
    resumed.train_epoch()  # whatever it did before
    resumed.restore(saved, 1)
    resumed.train_epoch()
    fresh = trainer()
    fresh.restore(saved, 1)
    fresh.train_epoch()
    for other in (resumed, fresh):
        assert other.state().keys() == whole.state().keys()
        assert all(torch.equal(value, other.state()[name]) for name, value in whole.state().items())


def test_a_state_of_another_optimizer_is_refused(data: MNIST) -> None:
    adam, momentum = (single_trainer(step_of(**CASES[case][0]), 3, data) for case in ("Adam", "SGD"))
    before = adam.state()
    adam.train_epoch()
    momentum.train_epoch()
    for trainer, state in ((momentum, adam.state()), (adam, momentum.state())):
        with pytest.raises(ValueError, match="it has not the same tensors"):
            trainer.restore(state, 1)
    harmed = adam.state() | {"optimizer.0.exp_avg": torch.zeros(7, dtype=torch.float64)}
    with pytest.raises(ValueError, match=r"optimizer.0.exp_avg is \(7,\)"):
        single_trainer(step_of(optimizer=Adam()), 3, data).restore(harmed, 1)
    assert not any(name.startswith("optimizer.") for name in before)


def test_drop_last_trains_on_whole_batches_and_counts_those(data: MNIST) -> None:
    trainer = single_trainer(step_of(drop_last=True), 0, data)
    assert [len(labels) for _, labels in trainer.batches()] == [32] * 5
    assert (trainer.steps_per_epoch, trainer.images_per_epoch) == (5, 160)


def test_an_epoch_without_a_batch_is_one_line(data: MNIST) -> None:
    step = step_of(drop_last=True, batch_size=256)
    for start in (lambda: single_trainer(step, 0, data), lambda: ensemble_trainer(step, [0, 1], data)):
        with pytest.raises(HarnessError, match="^drop_last leaves no batch of 256 in 180 images; lower batch_size$"):
            start()


@pytest.mark.parametrize("case", CASES)
def test_the_rehearsal_of_a_setting_lowers_its_loss(case: str) -> None:
    before, after = overfit_one_batch(step_of(**CASES[case][0]))
    assert math.isfinite(before)
    assert after < before


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"optimizer": Adam()}, "its recipe has optimizer"),
        ({"label_smoothing": 0.1}, "its recipe has label_smoothing"),
        ({"l1": 0.1}, "its recipe has l1"),
        ({"average": 0.9, "average_warmup": True}, "its recipe has average_warmup"),
        ({"average": 0.9, "average_buffers": False}, "its recipe has average_buffers"),
        ({"clip_grad_norm": 1.0}, "its recipe has clip_grad_norm"),
        ({"clip_grad_value": 1.0}, "its recipe has clip_grad_value"),
        ({"schedule": OneCycleLR()}, "its recipe cycles the momentum"),
        ({"schedule": OneCycleLR(cycle_momentum=False), "drop_last": True, "validation": 0.1}, None),
    ],
)
def test_the_native_trainer_says_what_it_does_not_take(settings: dict[str, Any], why: str | None) -> None:
    assert refusal_of(step_of(**settings).recipe) == why
    if why is not None:
        assert native.refusal(step_of(**settings)) == why
        with pytest.raises(HarnessError, match=f"{why}; use --trainer eager"):
            native.native_trainer(step_of(**settings), 0, synthetic(64))
