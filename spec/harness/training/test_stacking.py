"""Networks are stacked if a stack trains them as each is trained alone, and those of the ladders are."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import Recipe, StepSpec, steps
from harness.recipe import Adam
from harness.step import Step
from harness.training.stacking import refusal
from harness.training.train import WIDEST_STACKED

CPU = torch.device("cpu")


def step_of(model: Callable[[], nn.Module], **settings: Any) -> type[Step]:
    own = {"model": model, "recipe": Recipe(lr=0.02, batch_size=20, epochs=2, **settings), "__module__": __name__}
    return type("Step", (StepSpec,), own)


class Plain(nn.Module):
    """Two linear maps; subclasses do something between them."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(784, 32), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        return F.log_softmax(self.second(self.between(self.first(images.flatten(1))).relu()), dim=1)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden


class Assigned(Plain):
    """A running mean that is assigned, as one writes it first."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(32))

    def between(self, hidden: Tensor) -> Tensor:
        if not self.training:
            return hidden - self.mean
        self.follow(hidden.detach().mean(0))
        return hidden - hidden.mean(0)

    def follow(self, mean: Tensor) -> None:
        self.mean = 0.99 * self.mean + 0.01 * mean


class InPlace(Assigned):
    def follow(self, mean: Tensor) -> None:
        self.mean.mul_(0.99).add_(0.01 * mean)


class Ordered(Plain):
    """An order that is drawn for each network and is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.order = torch.randperm(32)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden[:, self.order]


class OrderedAlike(Ordered):
    def __init__(self) -> None:
        super().__init__()
        self.order = torch.arange(31, -1, -1)


class Registered(Ordered):
    def __init__(self) -> None:
        super().__init__()
        order = self.order
        del self.order
        self.register_buffer("order", order)


class Activated(Plain):
    """Functions that are drawn for each network, which no attribute shows."""

    def __init__(self) -> None:
        super().__init__()
        self.signs = [1 - 2 * int(torch.rand(()) < 0.5) for _ in range(20)]

    def between(self, hidden: Tensor) -> Tensor:
        return hidden * self.signs[0] if len(set(self.signs)) == 1 else hidden * sum(self.signs) / 20


class Counting(Plain):
    """Warms up by a count of Python."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def between(self, hidden: Tensor) -> Tensor:
        self.steps += self.training
        return hidden * min(1.0, self.steps / 40)


class Random(Plain):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden * (1 + 1e-9 * random.random())


class Numpy(Plain):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden * (1 + 1e-9 * np.random.random())  # what users call


class Shown(Plain):
    """Leaves what it has computed for others to look at."""

    def between(self, hidden: Tensor) -> Tensor:
        self.hidden = hidden
        return hidden


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Assigned, "its forward assigns the buffer mean instead of changing it in place"),
        (Ordered, "its networks differ in order, a tensor that is no buffer"),
        (Activated, "it computes something else in a stack than alone"),
        (Counting, "its forward changes steps, which is no buffer"),
        (Random, "its forward draws from random"),
        (Numpy, "its forward draws from numpy.random"),
    ],
)
def test_what_a_stack_would_do_otherwise_is_refused(model: Any, why: str) -> None:
    for _ in range(2):  # whatever torch's global generator would draw
        assert (refusal(step_of(model), CPU) or "").startswith(why)
        torch.rand(1)


class Noting(Plain):
    """Notes the size of a batch, and what it has computed in the place of a tensor of the constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.hidden = 0, torch.zeros(1)

    def between(self, hidden: Tensor) -> Tensor:
        self.size, self.hidden = len(hidden), hidden
        return hidden


class Halved(Plain):
    """Computes in bfloat16, as users of a GPU do."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return super().forward(images)


class Loud(Plain):
    """Of images that are not normalized."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images * 255)


@pytest.mark.parametrize("model", [Plain, InPlace, OrderedAlike, Registered, Shown, Noting, Halved, Loud])
def test_what_a_stack_does_alike_is_stacked(model: Any) -> None:
    assert refusal(step_of(model), CPU) is None


def test_what_is_rounding_alone_until_an_optimizer_divides_by_it_is_no_difference() -> None:
    """A bias before a normalization has no gradient but rounding, of which Adam makes steps as large as any."""

    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 10, 5, stride=3), nn.BatchNorm2d(10), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    assert refusal(step_of(network, optimizer=Adam()), CPU) is None


ENDS = {"discover/8k_lr", "expand_squeeze/s7_file3", "five_steps/step5", "four_steps/step4", "frontier/step12"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=name, marks=[] if name in ENDS else pytest.mark.slow)
        for name, step in steps().items()
        if step.parameters <= WIDEST_STACKED
    ],
)
def test_the_steps_of_the_ladders_are_stacked(step: type[Step]) -> None:
    assert refusal(step, CPU) is None


def test_a_step_is_tried_once_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr("harness.training.stacking._disagreement", lambda step, *_: tried.append(step))
    step, other = step_of(Plain), step_of(Plain)
    assert [refusal(one, CPU) for one in (step, other, step)] == [None] * 3
    assert tried == [step, other]
