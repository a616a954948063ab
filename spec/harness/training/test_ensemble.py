"""Seeds that are trained together have the results that each has alone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.recipe import (
    ColorJitter,
    GaussianBlur,
    Normalize,
    OneCycle,
    RandomAffine,
    RandomApply,
    RandomCrop,
    RandomDistortion,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
    Resize,
    StepLR,
)
from harness.run import Epoch, sound
from harness.step import Step
from harness.training import train as loop
from harness.training.augmentation import batches
from harness.training.augmentation.batches import AHEAD
from harness.training.cuda_graph import WARM_UP
from harness.training.ensemble import EnsembleTrainer, ensemble_trainer
from harness.training.train import training
from harness.training.trainer import SingleTrainer, single_trainer
from models.blocks import Conv, GlobalAverage, LogProbabilities
from spec.harness.jobs import small
from spec.harness.training.in_memory import run_alone, run_together, trained

RECIPE = Recipe(lr=0.05, batch_size=32, epochs=2)
SEQUENCE = (RandomApply(transforms=(RandomCrop(size=28, padding=2), ColorJitter(contrast=0.5))), RandomErasing())
AFFINE = RandomAffine(degrees=8, translate=0.1, scale=(0.9, 1.1), interpolation="bilinear", on="tensor", fill=-0.4)


class Small(nn.Module):
    """The layers of the ladders, in double precision: the order of a sum changes no digit of a result."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            Conv(1, 4, 3, "relu", "bn", 0.1),
            nn.MaxPool2d(2),
            Conv(4, 8, 3, "bn", "relu", 0.02, stride=2, bias=False),
            Conv(8, 8, 3, "relu", groups=8, padding=1),
            Conv(8, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        ).double()

    def forward(self, images: Tensor) -> Tensor:
        log_probabilities: Tensor = self.network(images.double())
        return log_probabilities


def step_of(recipe: Recipe) -> type[Step]:
    return type("Step", (StepSpec,), {"model": Small, "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    """102 images: three batches of 32 and one of 6."""
    return synthetic(102)


def without_seconds(epoch: Epoch) -> Epoch:
    return replace(epoch, seconds=0.0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, momentum=0.5, nesterov=True, weight_decay=1e-3, schedule=StepLR(1, 0.3)),
        replace(RECIPE, augmentation=RandomAffine(degrees=10, fill=1)),
        replace(RECIPE, augmentation=AFFINE),
        replace(RECIPE, augmentation=RandomDistortion(degrees=8, shear=0.1, elastic=0.5, on="tensor")),
        replace(RECIPE, augmentation=SEQUENCE),
        replace(RECIPE, schedule=OneCycle(), average=0.9),
        replace(RECIPE, average=0.9, average_buffers=False, average_warmup=True),
    ],
    ids=[
        *("plain", "momentum and decay", "on images", "on tensors", "distorted", "a sequence", "averaged"),
        "weights averaged",
    ],
)
def test_a_seed_among_others_is_the_seed_alone(recipe: Recipe, data: MNIST) -> None:
    step = step_of(recipe)
    among = run_together(step, [3, 0, 7], data)
    for history in among:
        alone = run_alone(step, history.seed, data)
        assert list(map(without_seconds, history.epochs)) == list(map(without_seconds, alone.epochs))
    assert among[0].epochs[-1].train_loss != among[1].epochs[-1].train_loss


def test_the_weights_of_a_seed_among_others_are_those_of_the_seed_alone(data: MNIST) -> None:
    step = step_of(replace(RECIPE, lr=1 / 16))  # exact in single precision, in which a stack has it
    stack = ensemble_trainer(step, [3, 0], data)
    stack.train_epoch()
    for number, seed in enumerate((3, 0)):
        single = single_trainer(step, seed, data)
        single.train_epoch()
        for name, value in single.state().items():
            if name.startswith("model."):
                torch.testing.assert_close(stack.state()[name][number], value, rtol=1e-12, atol=1e-12)


def test_a_seed_draws_what_it_does_alone_where_batches_are_prepared_ahead(
    data: MNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AHEAD, "cpu", 3)
    step = step_of(replace(RECIPE, augmentation=SEQUENCE))
    stack, single = ensemble_trainer(step, [3, 0], data), single_trainer(step, 0, data)
    assert isinstance(single, SingleTrainer)
    ours = [(images[1], labels[1]) for images, labels in stack.batches()]
    for (images, labels), (expected, its_labels) in zip(ours, single.batches(), strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, its_labels)
    assert [len(labels) for _, labels in ours] == [32] * 3 + [6]


def test_batches_prepared_ahead_are_those_prepared_one_by_one(data: MNIST, monkeypatch: pytest.MonkeyPatch) -> None:
    step = step_of(replace(RECIPE, augmentation=(Resize(size=20), Resize(size=28))))  # nothing is drawn for it
    expected = list(ensemble_trainer(step, [3, 0], data).batches())
    monkeypatch.setitem(AHEAD, "cpu", 3)
    for ours, theirs in zip(ensemble_trainer(step, [3, 0], data).batches(), expected, strict=True):
        assert all(map(torch.equal, ours, theirs))


def test_many_images_are_those_of_a_few_and_are_prepared_for_one_network_after_the_other(
    data: MNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = step_of(replace(RECIPE, augmentation=SEQUENCE))
    seen: list[int] = []
    normalize_all = batches.normalized

    def normalized(images: torch.Tensor, normalize: Normalize) -> torch.Tensor:
        seen.append(len(images))
        return normalize_all(images, normalize)

    monkeypatch.setitem(AHEAD, "cpu", 4)
    monkeypatch.setattr(batches, "normalized", normalized)
    expected = list(ensemble_trainer(step, [3, 0], data).batches())
    monkeypatch.setattr(batches, "TOGETHER", 2 * 102 - 1)
    for ours, theirs in zip(ensemble_trainer(step, [3, 0], data).batches(), expected, strict=True):
        assert all(map(torch.equal, ours, theirs))
    assert seen == [204, 102, 102]


def test_a_network_never_touches_another(data: MNIST) -> None:
    models = [Small() for _ in range(3)]
    run = EnsembleTrainer(models, RECIPE, data, [0, 1, 2])
    run.network.train()
    log_probabilities = run.forward(run.weights, run.buffers, next(run.batches())[0])
    log_probabilities[1].sum().backward()
    for weight in run.weights.values():
        assert weight.grad is not None
        assert not weight.grad[0].any()
        assert not weight.grad[2].any()
    assert any(weight.grad[1].any() for weight in run.weights.values() if weight.grad is not None)


def test_training_together_leaves_the_global_generator_alone(data: MNIST) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    step = step_of(RECIPE)
    with training(step, [0, 1], data) as run:
        trained(step, [0, 1], run, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_seed_whose_loss_is_not_finite_is_named(data: MNIST) -> None:
    with pytest.raises(HarnessError, match=r"training/Step, seed 4: the loss is (nan|inf) in epoch 1"):
        sound(run_together(step_of(replace(RECIPE, lr=1e30)), [4, 5], data))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, momentum=0.5, nesterov=True, weight_decay=1e-3, schedule=StepLR(1, 0.3)),
        replace(RECIPE, augmentation=RandomAffine(degrees=10, fill=1)),
        replace(RECIPE, augmentation=AFFINE, schedule=OneCycle(), average=0.9),
        replace(
            RECIPE,
            augmentation=(RandomPerspective(), RandomResizedCrop(22), GaussianBlur(3), Resize(size=28), *SEQUENCE),
        ),
    ],
    ids=["momentum and decay", "on images", "on tensors, averaged", "a sequence"],
)
def test_a_recorded_step_is_the_step_on_a_gpu(recipe: Recipe, data: MNIST) -> None:
    step, on_gpu = step_of(replace(recipe, epochs=WARM_UP + 3)), data.to("cuda")
    for run in run_together(step, [3, 0, 7], on_gpu):
        for among, single in zip(run.epochs, run_alone(step, run.seed, on_gpu).epochs, strict=True):
            assert among.train_loss == pytest.approx(single.train_loss, abs=1e-5)
            assert among.errors == single.errors


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_as_the_cpu_does(data: MNIST) -> None:
    class Certain(Small):
        """Without dropout, whose masks differ between the devices."""

        def __init__(self) -> None:
            super().__init__()
            for layer in self.modules():
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0

    step = step_of(replace(RECIPE, schedule=OneCycle(), epochs=WARM_UP + 3))
    step.model = Certain
    on_cpu, [on_gpu] = run_alone(step, 5, data), run_together(step, [5], data.to("cuda"))
    for one, other in zip(on_cpu.epochs, on_gpu.epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert one.errors == other.errors


def test_an_epoch_of_seeds_together_takes_each_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 16.0])
    trainer = ensemble_trainer(small.Simple, (0, 1, 2), small.images())
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    epochs = loop.next_epoch(small.Simple, (0, 1, 2), trainer)
    assert [epoch.seconds for epoch in epochs if isinstance(epoch, Epoch)] == [2.0, 2.0, 2.0]
