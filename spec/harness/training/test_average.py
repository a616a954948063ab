"""The average of a network follows its weights and statistics; what is no quantity stays what it is."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.trainer import SingleTrainer, single_trainer

DECAY = 0.9
STEPS = 8


class Attentive(nn.Module):
    """Rows of pixels in another order, of which each attends to those before it."""

    order: Tensor
    before: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.norm, self.classes = nn.Linear(28, 28), nn.BatchNorm1d(28), nn.Linear(28 * 28, 10)
        self.register_buffer("order", torch.arange(783, -1, -1))
        self.register_buffer("before", torch.full((28, 28), -torch.inf).triu(1))
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, images: Tensor) -> Tensor:
        rows = self.norm(self.rows(images.flatten(1)[:, self.order].view(-1, 28, 28)))
        attention = torch.softmax(rows @ rows.mT / 5 + self.before, dim=-1) * self.scale
        return F.log_softmax(self.classes((attention @ rows).flatten(1)), dim=1)


CONSTANTS = {"order", "before", "scale"}


def step_of(**settings: Any) -> type[Step]:
    recipe = Recipe(lr=0.02, batch_size=20, epochs=2, average=DECAY, **settings)
    return type("Step", (StepSpec,), {"model": Attentive, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    return synthetic(20 * STEPS)


def average_alone(step: type[Step], seed: int, data: MNIST) -> tuple[list[dict[str, Tensor]], dict[str, Tensor], float]:
    """What was trained after each step, the average after the last, and the mean loss of that."""
    trainer, trained = single_trainer(step, seed, data), []
    assert isinstance(trainer, SingleTrainer)
    model = trainer.model
    trainer.on_steps = lambda *_: trained.append({name: x.clone() for name, x in model.state_dict().items()})
    trainer.train_epoch()
    return trained, dict(trainer.evaluated.module.state_dict()), trainer.test()[0].loss  # type: ignore[union-attr]


@pytest.mark.parametrize("buffers", [True, False])
def test_the_average_is_that_of_the_trained_weights_and_constants_are_the_same(buffers: bool, data: MNIST) -> None:
    trained, average, loss = average_alone(step_of(average_buffers=buffers), 1, data)
    shares = [DECAY ** (STEPS - 1), *((1 - DECAY) * DECAY ** (STEPS - 1 - step) for step in range(1, STEPS))]
    for name, value in average.items():
        if name in CONSTANTS:
            assert torch.equal(value, getattr(Attentive(), name))
        elif name.startswith("norm.") and (not buffers or "batches" in name) and not name.endswith(("weight", "bias")):
            assert torch.equal(value, trained[-1][name])
        else:
            mean = sum(share * one[name].double() for share, one in zip(shares, trained, strict=True))
            assert not torch.allclose(value, trained[-1][name])
            torch.testing.assert_close(value.double(), mean, atol=1e-6, rtol=1e-5)
    assert 0 < loss < 3


@pytest.mark.parametrize("settings", [{}, {"average_buffers": False}, {"average_warmup": True}])
def test_seeds_among_others_have_the_average_that_each_has_alone(settings: Any, data: MNIST) -> None:
    step = step_of(**settings)
    stack = ensemble_trainer(step, [3, 0], data)
    stack.train_epoch()
    for number, (seed, tested) in enumerate(zip([3, 0], stack.test(), strict=True)):
        _, average, loss = average_alone(step, seed, data)
        assert tested.loss == pytest.approx(loss, abs=1e-5)
        for name, value in (stack.weights | stack.buffers | stack.averaged).items():
            torch.testing.assert_close(value[number], average[name], atol=1e-5, rtol=1e-5)
