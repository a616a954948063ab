"""Steps of the kernels are those of eager torch, up to rounding; the reference is torch in float64."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from harness import steps
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.recipe import OneCycle, Recipe, StepLR
from harness.training import weights
from harness.training.augmentation import normalized
from harness.training.losses import DistillationLoss
from harness.training.native.initial import initialized
from harness.training.native.trainer import NativeTrainer
from models.blocks import Conv, GlobalAverage, LogProbabilities, Separable, WeightedAverage
from spec.harness.training.native.compilers import needs_compiler
from spec.harness.training.native.eager import (
    STILL,
    Result,
    distance,
    eager,
    flat,
    native,
    noise,
    running,
    shaken,
    undropped,
)

pytestmark = needs_compiler

# One step for each network.
STEPS = {f"{undropped(step.model())}": name for name, step in steps().items()}.values()


def compare(network: nn.Module, data: MNIST, *, tolerance: float = 2e-5) -> None:
    """A step of the kernels with that of torch in float64, and no farther from it than twice what float32 is."""
    exact, rounded = eager(network, data), eager(network, data, torch.float32)
    found = native(network, data)
    assert found.loss == pytest.approx(exact.loss, abs=1e-6, rel=1e-6)
    all_of_it = flat(exact.gradients)
    assert len(found.gradients) == len(exact.gradients)
    assert distance(flat(found.gradients), all_of_it) < tolerance
    assert distance(flat(found.gradients), all_of_it) < 2 * distance(flat(rounded.gradients), all_of_it) + 1e-6
    check_each(found, exact, tolerance)


def check_each(found: Result, exact: Result, tolerance: float) -> None:
    """Gradients of each parameter, statistics and logits. What is 0 but for rounding is compared with all gradients."""
    size = flat(exact.gradients).norm()
    for mine, reference in zip(found.gradients, exact.gradients, strict=True):
        assert (mine - reference).norm() <= 3 * tolerance * (reference.norm() + 0.03 * size)
    torch.testing.assert_close(found.statistics.double(), exact.statistics.double(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.logits.double(), exact.logits, atol=1e-5, rtol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_ladders_is_that_of_float64(step: str) -> None:
    compare(undropped(steps()[step].model()), synthetic(33))


@pytest.mark.parametrize(("bias", "error"), [(0, 1.7e-7), (30, 5.6e-5), (100, 3.7e-4), (1000, 4.5e-2)])
def test_what_a_large_mean_costs_is_what_the_page_says(bias: float, error: float) -> None:
    network = initialized(
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            *(nn.Linear(4, 10), nn.LogSoftmax(1)),
        ),
        seed=0,
    )
    nn.init.constant_(network[0].bias, bias)  # type: ignore[index]
    data = synthetic(32)
    # Without the gradient of the bias, which is 0.
    found, exact = (
        flat(own[:1] + own[2:]) for own in (native(network, data).gradients, eager(network, data).gradients)
    )
    assert distance(found, exact) == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize("images", [1, 2, 16, 17, 32, 96, 100, 129])
def test_batches_of_any_size_are_those_of_float64(images: int) -> None:
    network = nn.Sequential(
        Conv(1, 5, 3, "bn", "relu", bias=False, stride=2),
        Separable(5, 7, "relu", "bn", padding=1),
        nn.MaxPool2d(3, 2),
        Conv(7, 13, 3, "relu"),
        WeightedAverage(4),
        Conv(13, 10, 1),
        LogProbabilities(),
    )
    compare(shaken(network), noise(images))


MANY = {  # a network of the ladders, and how it is trained
    "discover/8k_lr": Recipe(lr=0.001, batch_size=8, epochs=3, schedule=StepLR(1, 0.3)),
    "five_steps/step5": Recipe(lr=3e-5, batch_size=8, epochs=3, weight_decay=1e-2),
    "frontier/step1": Recipe(lr=0.001, batch_size=8, epochs=3, nesterov=True, average=0.9),
    "frontier/step12": Recipe(lr=0.002, batch_size=8, epochs=3, schedule=OneCycle(), average=0.95),
    "s5/code8": Recipe(lr=1e-4, batch_size=8, epochs=3, momentum=0.0, average=0.99),
}


@pytest.mark.thorough
@pytest.mark.parametrize("step", MANY)
def test_sixty_steps_are_those_of_float64(step: str) -> None:
    """With the ladders' rates a difference of rounding doubles within a few steps, in torch too, so these are small."""
    recipe, data = MANY[step], noise(156)  # 19 batches of 8 and one of 4
    network = undropped(steps()[step].model())
    reference = Descent(network, recipe)
    trainer = NativeTrainer(network, recipe, data, seed=3)
    order = torch.Generator().manual_seed(3)
    for epoch in range(3):
        [(loss, _)] = trainer.train_epoch()
        assert loss == pytest.approx(reference.epoch(data, epoch, torch.randperm(156, generator=order)), abs=1e-5)
    own = trainer.network
    pairs = [(own.parameters, reference.weights()), (own.buffers, running(reference.network))]
    if own.average is not None and own.average_buffers is not None:
        split = len(list(network.parameters()))
        pairs.append((own.average, flat(reference.average[:split])))
        pairs.append((own.average_buffers, flat(reference.average[split:])))
    assert len(pairs) == (4 if recipe.average else 2)
    for found, expected in pairs:
        torch.testing.assert_close(found.double(), expected.double(), atol=2e-5, rtol=1e-4)


class Descent:
    """Stochastic gradient descent in float64, written down as in the documentation of torch."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.recipe, self.network = recipe, deepcopy(network).double().train()
        self.momentum: list[Tensor] = []
        self.average: list[Tensor] = []

    def weights(self) -> Tensor:
        return flat(self.network.parameters())

    def epoch(self, data: MNIST, epoch: int, order: Tensor) -> float:
        """Train an epoch; the mean loss of its batches."""
        losses = []
        for step, index in enumerate(order.split(self.recipe.batch_size)):
            images = normalized(data.train_images[index], self.recipe.normalize).double()
            loss = F.nll_loss(self.network(images), data.train_labels[index])
            gradients = torch.autograd.grad(loss, list(self.network.parameters()))
            self.step(gradients, self.recipe.rate(epoch, step, 20))
            losses.append(loss.item())
        return sum(losses) / len(losses)

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...], rate: float) -> None:
        recipe, parameters = self.recipe, list(self.network.parameters())
        slopes = [g + recipe.weight_decay * w for g, w in zip(gradients, parameters, strict=True)]
        before = self.momentum or [torch.zeros_like(g) for g in slopes]
        self.momentum = [recipe.momentum * v + g for v, g in zip(before, slopes, strict=True)]
        for weight, v, g in zip(parameters, self.momentum, slopes, strict=True):
            weight.sub_(rate * (g + recipe.momentum * v if recipe.nesterov else v))
        if recipe.average is not None:
            now = [*parameters, *(value for name, value in self.network.named_buffers() if "running" in name)]
            self.average = [
                recipe.average * a + (1 - recipe.average) * w for a, w in zip(self.average or now, now, strict=True)
            ]


@pytest.mark.parametrize("images", [16, 33])
def test_the_lesson_of_a_teacher_is_that_of_float64(images: int) -> None:
    step, data = steps()["frontier/step12"], synthetic(images)
    teacher = step.recipe.teacher
    assert teacher is not None
    network = undropped(step.model())
    found = native(network, data, replace(STILL, teacher=teacher))
    lesson = DistillationLoss(teacher, torch.device("cpu"))
    lesson.network = weights.read(steps()[teacher.step]).network.double().eval()
    exact = deepcopy(network).double().train()
    inputs = normalized(data.train_images, step.recipe.normalize).double()
    loss = lesson(inputs, exact(inputs), data.train_labels)
    loss.backward()
    assert found.loss == pytest.approx(loss.item(), rel=1e-6)
    gradients = flat(weight.grad for weight in exact.parameters() if weight.grad is not None)
    assert distance(flat(found.gradients), gradients) < 1e-5


@st.composite
def networks(draw: st.DrawFn, images: int) -> nn.Module:
    """Any network that the kernels compute, but for dropout; small ones."""
    layers: list[nn.Module] = []
    channels, side = 1, 28

    def stages(channels: int) -> Iterator[nn.Module]:
        for stage in draw(st.lists(st.sampled_from(["relu", "bn"]), max_size=3)):
            if stage == "relu":
                yield nn.ReLU()
            elif images * side**2 >= 16:  # of a few numbers next to each other the variance is all rounding
                yield nn.BatchNorm2d(channels, momentum=draw(st.sampled_from([0.1, 0.3])), affine=draw(st.booleans()))

    for kind in draw(st.lists(st.sampled_from(["stages", "pool", "conv", "conv", "conv", "depthwise"]), max_size=6)):
        if kind == "pool":
            window, step = draw(st.integers(1, min(3, side))), draw(st.integers(1, 3))
            layers.append(nn.MaxPool2d(window, step))
            side = (side - window) // step + 1
        if kind in ("conv", "depthwise"):
            kernel, stride = draw(st.integers(1, 7)), draw(st.integers(1, 3))
            padding = draw(st.integers(max(0, -(-(kernel - side) // 2)), kernel - 1))
            side = (side + 2 * padding - kernel) // stride + 1
            if kind == "depthwise":
                groups, out = channels, channels * draw(st.integers(1, 3 if channels < 8 else 1))
            else:
                groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
                out = groups * draw(st.integers(1, max(1, 11 // groups)))
            bias = draw(st.booleans())
            layers.append(nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=bias))
            channels = out
        layers += stages(channels)
    average = draw(st.sampled_from([None, GlobalAverage(), WeightedAverage(side)]))
    if average is not None:
        layers.append(average)
        side = 1
        layers += stages(channels)
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.integers(1, 30))
        layers += [nn.Conv2d(channels, out, side), *([nn.ReLU()] * draw(st.integers(0, 1)))]
        channels, side = out, 1
    if draw(st.booleans()):
        layers += [nn.Flatten(), nn.Linear(channels * side**2, 10, bias=draw(st.booleans())), nn.LogSoftmax(1)]
    else:
        layers += [nn.Conv2d(channels, 10, side), LogProbabilities()]
    return nn.Sequential(*layers)


@st.composite
def cases(draw: st.DrawFn) -> tuple[nn.Module, int, int]:
    images = draw(st.integers(1, 40))
    return draw(networks(images)), images, draw(st.integers(0, 2**31))


# Not shrunk: a failing network is printed whole, and small ones take as long to find as they save.
@pytest.mark.thorough
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(cases())
def test_any_network_is_that_of_float64(case: tuple[nn.Module, int, int]) -> None:
    network, images, seed = case
    data = noise(images, seed)
    exact, rounded = eager(shaken(network, seed), data), eager(network, data, torch.float32)
    found = native(network, data)
    worst = distance(flat(rounded.gradients), flat(exact.gradients))
    assert found.loss == pytest.approx(exact.loss, rel=1e-5, abs=10 * abs(rounded.loss - exact.loss))
    # A ReLU or a maximum that rounding decides otherwise moves a gradient by more than rounding does.
    check_each(found, exact, max(1e-3, 5 * worst))
