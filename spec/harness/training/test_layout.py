"""Networks of which not every layout in memory, or not every trainer, will do train in the one that does."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.network import arranged
from harness.training.overfit import overfit_one_batch
from harness.training.stacking import refusal
from harness.training.train import groups, next_epoch, trainer_of
from harness.training.trainer import SingleTrainer, single_trainer

CPU = torch.device("cpu")


class Viewing(nn.Module):
    """Takes a view of its maps, as the first network of many courses does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.classes = nn.Conv2d(1, 6, 5), nn.Linear(6 * 12 * 12, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.conv(images).relu(), 2)
        return F.log_softmax(self.classes(maps.view(-1, 6 * 12 * 12)), dim=1)


class Flattening(Viewing):
    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.conv(images).relu(), 2)
        return F.log_softmax(self.classes(maps.flatten(1)), dim=1)


class GhostBatchNorm(nn.BatchNorm2d):
    """Normalizes the parts of a batch apart, and has running statistics for each until it is evaluated."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, splits: int) -> None:
        super().__init__(channels)
        self.splits = splits
        self.register_buffer("running_mean", torch.zeros(channels * splits))
        self.register_buffer("running_var", torch.ones(channels * splits))

    def train(self, mode: bool = True) -> "GhostBatchNorm":
        if self.training and not mode:
            self.running_mean = self.running_mean.view(self.splits, -1).mean(0).repeat(self.splits)
            self.running_var = self.running_var.view(self.splits, -1).mean(0).repeat(self.splits)
        return super().train(mode)

    def forward(self, input: Tensor) -> Tensor:
        n, channels, height, width = input.shape
        mean, variance, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
        if not self.training:
            return F.batch_norm(input, mean[:channels], variance[:channels], weight, bias, eps=self.eps)
        parts = input.view(-1, channels * self.splits, height, width)
        scales = weight.repeat(self.splits), bias.repeat(self.splits)
        normal = F.batch_norm(parts, mean, variance, *scales, training=True, momentum=0.1, eps=self.eps)
        return normal.view(n, channels, height, width)


class Ghosts(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 4, 5, stride=2), GhostBatchNorm(4, 4), nn.ReLU(), nn.Conv2d(4, 10, 3, stride=2)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )


class Dropping(Flattening):
    """Draws from torch's global generator, which a stack does not have once per network."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(F.dropout(images, 0.1, training=self.training))


class Remembering(Flattening):
    """Replaces a buffer where torch's own layers change theirs in place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.mean: Tensor

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.mean = images.detach().mean() + 3
        return super().forward(images - self.mean)


def step_of(model: Callable[[], nn.Module], **settings: Any) -> type[Step]:
    recipe = Recipe(**{"lr": 0.02, "batch_size": 40, "epochs": 2, **settings})
    return type("Step", (StepSpec,), {"model": model, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    return synthetic(160)


def test_a_view_of_a_map_trains_as_in_plain_torch(data: MNIST) -> None:
    step = step_of(Viewing)
    assert overfit_one_batch(step)[1] < overfit_one_batch(step)[0]
    [several, one, flat] = [
        ensemble_trainer(step, [2], data),
        single_trainer(step, 2, data),
        single_trainer(step_of(Flattening), 2, data),
    ]
    for trainer in (several, one, flat):
        [epoch] = next_epoch(step, [2], trainer)
        assert not isinstance(epoch, HarnessError)
        assert epoch.train_loss == pytest.approx(plain_loss(Viewing, data), abs=1e-5)


def plain_loss(model: Callable[[], nn.Module], data: MNIST) -> float:
    """The mean loss of the first epoch of a plain loop, with seed 2."""
    torch.manual_seed(2)
    network, losses = model(), []
    optimizer = torch.optim.SGD(network.parameters(), 0.02, 0.9)
    for index in torch.randperm(160, generator=torch.Generator().manual_seed(2)).split(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(
            network((data.train_images[index][:, None] / 255 - 0.1307) / 0.3081), data.train_labels[index]
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / 4


def channels_last(model: nn.Module) -> bool:
    return all(
        weight.is_contiguous(memory_format=torch.channels_last) for weight in model.parameters() if weight.dim() == 4
    )


@pytest.mark.parametrize(("model", "fast"), [(Flattening, True), (Dropping, True), (Viewing, False), (Ghosts, False)])
def test_what_works_in_the_faster_layout_has_it(model: Callable[[], nn.Module], fast: bool) -> None:
    """More than one channel, of which the order in memory is something."""
    wide = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 1, 3, padding=1), model())
    assert channels_last(arranged(wide, CPU, 40)) is fast
    assert channels_last(nn.Sequential(nn.Conv2d(3, 3, 3))) is False


def test_ghosts_train_as_in_plain_torch_and_one_seed_after_the_other(data: MNIST) -> None:
    step = step_of(Ghosts)
    before, after = overfit_one_batch(step)
    assert after < before
    trainer = single_trainer(step, 2, data)
    assert trainer.train_epoch()[0][0] == pytest.approx(plain_loss(Ghosts, data), abs=1e-5)
    assert 0 <= trainer.test()[0].loss < 10
    with pytest.raises(
        HarnessError, match=r"one seed after the other.*: GhostBatchNorm has a train\(\) of its own"
    ) as caught:
        trainer_of(step, [0, 1], data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Ghosts, "GhostBatchNorm has a train() of its own"),
        (Dropping, "its forward pass raised RuntimeError: vmap: called random operation"),
        (Remembering, "its forward assigns the buffer mean instead of changing it in place"),
    ],
)
def test_networks_that_cannot_be_stacked_train_one_seed_after_the_other(model: Any, why: str) -> None:
    step = step_of(model)
    assert (refusal(step, CPU) or "").startswith(why)
    assert groups(step, [3, 1], torch.device("cuda")) == [[3], [1]]


@pytest.mark.parametrize(
    "settings",
    [{}, {"drop_last": True}, {"validation": 0.1}, {"momentum": 0.0, "l1": 0.1}],
)
def test_networks_that_can_be_stacked_share_a_gpu(settings: Any) -> None:
    step = step_of(Viewing, **settings)
    assert refusal(step, CPU) is None
    assert groups(step, [3, 1], torch.device("cuda")) == [[3, 1]]


def test_wide_networks_train_one_seed_after_the_other() -> None:
    def network(width: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.Linear(width, 10))

    gpu = torch.device("cuda")
    assert groups(step_of(lambda: network(120)), [3, 1], gpu) == [[3, 1]]  # 95,410 parameters
    assert groups(step_of(lambda: network(130)), [3, 1], gpu) == [[3], [1]]  # 103,360


def test_whether_networks_can_be_stacked_is_found_out_without_a_draw() -> None:
    before = torch.get_rng_state()
    refusal(step_of(Viewing), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_that_forward_changes_is_not_touched_by_the_check(data: MNIST) -> None:
    class Counting(Flattening):
        calls = 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += self.training
            return super().forward(images)

    trainer = single_trainer(step_of(Counting), 0, data)
    assert isinstance(trainer, SingleTrainer)
    trainer.train_epoch()
    assert trainer.model.calls == 4
