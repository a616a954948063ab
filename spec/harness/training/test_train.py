"""The trainer follows the recipe: it is compared with a plain reference loop, and with itself."""

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms import functional as vision

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.recipe import OneCycle, RandomAffine, StepLR
from harness.run import EAGER, NATIVE, Epoch, Run, sound
from harness.step import Step
from harness.training.augmentation.affine import draw
from harness.training.augmentation.draws import Draws
from harness.training.evaluation import evaluation, evaluations
from harness.training.train import training
from harness.training.trainer import SingleTrainer
from models.blocks import Conv, GlobalAverage, LogProbabilities
from spec.harness.training import reference
from spec.harness.training.in_memory import run_alone, trained


class Tiny(nn.Sequential):
    """Convolution, batch normalization, pooling: the layers of the ladders, in 1,000 weights."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(
            Conv(1, 6, 3, "relu", "bn", dropout),
            nn.MaxPool2d(2),
            Conv(6, 10, 3, "relu", "bn", dropout, stride=2),
            Conv(10, 10, 1),
            GlobalAverage(),
            LogProbabilities(),
        )


RECIPE = Recipe(lr=0.05, batch_size=32, epochs=2)


def sgd(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """The optimizer of the reference; fused, since one rounding error grows to 1e-3 in thirty training steps."""
    return torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def step_of(recipe: Recipe, dropout: float = 0.0) -> type[Step]:
    return type("Step", (StepSpec,), {"model": lambda: Tiny(dropout), "recipe": recipe, "__module__": __name__})


@pytest.fixture(scope="module")
def data() -> MNIST:
    """500 images: fifteen batches of 32 and one of 20."""
    return synthetic(500)


@pytest.fixture(scope="module")
def few() -> MNIST:
    """116 images: three batches of 32 and one of 20."""
    return synthetic(116)


def test_losses_are_those_of_the_reference_loop(few: MNIST) -> None:
    recipe = replace(RECIPE, momentum=0.9, nesterov=True, weight_decay=1e-3, schedule=StepLR(1, gamma=0.1))
    torch.manual_seed(1)
    run = SingleTrainer(Tiny(), recipe, few, seed=1)
    torch.manual_seed(1)
    model = Tiny()
    optimizer = sgd(model, recipe)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    shuffle = torch.Generator().manual_seed(1)
    for _ in range(2):
        order = torch.randperm(116, generator=shuffle).tolist()
        losses, accuracy = reference.train_one_epoch(model, optimizer, few, recipe, order)
        scheduler.step()
        [(mean_loss, correct)] = run.train_epoch()
        assert len(losses) == 4
        assert mean_loss == pytest.approx(sum(losses) / 4, abs=1e-5)
        assert 100 * correct / 116 == accuracy
        missed = evaluation(run.evaluated, few.test_images, few.test_labels, recipe.normalize).errors
        assert 100 * (116 - len(missed)) / 116 == reference.accuracy_of(model, few, recipe)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(run.model.state_dict()[name], weight, atol=1e-5, rtol=1e-5)


def test_each_batch_has_the_loss_of_the_reference_with_the_same_rotations(data: MNIST) -> None:
    recipe = replace(RECIPE, augmentation=RandomAffine(degrees=10, fill=1))
    torch.manual_seed(2)
    run = SingleTrainer(Tiny(), recipe, data, seed=2)
    torch.manual_seed(2)
    model = Tiny()
    optimizer = sgd(model, recipe)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(2))
    draws = torch.Generator().manual_seed(2)
    angles: dict[int, float] = {}
    assert isinstance(recipe.augmentation, RandomAffine)
    for batch in order.split(32):
        angle = draw(recipe.augmentation, (28, 28), Draws([draws], len(batch))).angle
        angles.update(zip(batch.tolist(), angle.tolist(), strict=True))

    def rotate(image: Image.Image, index: int) -> Image.Image:
        turned: Image.Image = vision.rotate(image, angles[index], fill=1)
        return turned

    losses, _ = reference.train_one_epoch(model, optimizer, data, recipe, order.tolist(), rotate)
    run.model.train()
    ours = [run.train_step(*batch)[0].item() for batch in run.batches()]
    assert ours == pytest.approx(losses, abs=1e-5)


class Double(nn.Module):
    """In double precision the order of a sum does not change its first six digits."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Tiny().double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        log_probabilities: torch.Tensor = self.network(images.double())
        return log_probabilities


def test_a_step_trains_as_the_reference_whatever_the_layout_in_memory(few: MNIST) -> None:
    step = step_of(replace(RECIPE, momentum=0.9))
    step.model = Double
    history = run_alone(step, 4, few)
    torch.manual_seed(4)
    model = Double()
    optimizer = sgd(model, step.recipe)
    shuffle = torch.Generator().manual_seed(4)
    for epoch in history.epochs:
        order = torch.randperm(116, generator=shuffle).tolist()
        losses, accuracy = reference.train_one_epoch(model, optimizer, few, step.recipe, order)
        assert epoch.train_loss == pytest.approx(sum(losses) / 4, abs=1e-6)
        assert epoch.train_accuracy == pytest.approx(accuracy, abs=1e-4)
        assert epoch.test_accuracy == pytest.approx(reference.accuracy_of(model, few, step.recipe), abs=1e-4)
        assert len(epoch.errors) == 116 - round(1.16 * epoch.test_accuracy)
        assert epoch.test_loss == pytest.approx(reference.loss_of(model, few, step.recipe), abs=1e-6)
        learnt = replace(few, test_images=few.train_images, test_labels=few.train_labels)
        clean = reference.accuracy_of(model, learnt, step.recipe)
        assert epoch.clean_train_accuracy == pytest.approx(clean, abs=1e-4)


@pytest.mark.parametrize("trainer", [EAGER, NATIVE])
def test_training_images_are_also_tested_as_they_are(data: MNIST, trainer: str) -> None:
    """A network that was trained on images of a third of the size is lost on them."""
    step = step_of(replace(RECIPE, epochs=4, augmentation=RandomAffine(scale=(0.3, 0.3))))
    same = replace(data, test_images=data.train_images, test_labels=data.train_labels)
    with training(step, [0], same, trainer) as one:
        [run] = trained(step, [0], one)
    last = run.epochs[-1]
    assert last.clean_train_accuracy == last.test_accuracy < last.train_accuracy - 10


def test_the_errors_name_the_image_its_digit_and_the_one_predicted(data: MNIST) -> None:
    class Always(nn.Module):
        """Predicts 3 for every image."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.eye(10)[3].expand(len(images), 10)

    missed = evaluation(Always(), data.test_images, data.test_labels, RECIPE.normalize).errors
    assert missed == tuple((index, index % 10, 3) for index in range(500) if index % 10 != 3)


class Sure(nn.Module):
    """Holds each digit for as likely as it is told to, whatever the image."""

    def __init__(self, likelihoods: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("log_likelihoods", torch.tensor(likelihoods).log())
        self.log_likelihoods: torch.Tensor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.log_likelihoods + 0 * self.weight).expand(len(images), 10)


def test_the_test_loss_is_the_mean_over_images_and_not_over_batches(data: MNIST) -> None:
    """750 images in batches of 500 and 250: of the digits 0 to 9 in turn, then of 250 zeros."""
    images = data.test_images.repeat(2, 1, 1)[:750]
    labels = torch.cat([torch.arange(500) % 10, torch.zeros(250, dtype=torch.int64)])
    model = Sure([0.5, 0.25, *[0.03125] * 8])
    expected = (300 * 1 + 50 * 2 + 400 * 5) * math.log(2) / 750
    assert evaluation(model, images, labels, RECIPE.normalize).loss == pytest.approx(expected, rel=1e-6)


def test_the_test_loss_is_summed_in_double_precision() -> None:
    """In float32, 2^24 and a one are 2^24."""
    log_probabilities = torch.zeros(1, 5, 10)
    log_probabilities[0, 0, 0] = -(2.0**24)
    log_probabilities[0, 1:, 0] = -1
    [found] = evaluations(log_probabilities, torch.zeros(5, dtype=torch.int64))
    assert found.loss * 5 == 2**24 + 4


@pytest.mark.parametrize("seeds", [[0], [0, 1]], ids=["alone", "together"])
def test_a_test_loss_that_is_not_finite_ends_no_run_and_is_left_out(data: MNIST, seeds: list[int]) -> None:
    step = step_of(replace(RECIPE, epochs=1))
    step.model = lambda: Sure([0.2] * 5 + [0.0] * 5)
    certain = MNIST(data.train_images, data.train_labels % 5, data.test_images, data.test_labels)
    with training(step, seeds, certain) as trainer:
        runs = trained(step, seeds, trainer)
    for run in runs:
        assert (run.failed, len(run.epochs)) == (None, 1)
        assert run.epochs[0].train_loss == pytest.approx(math.log(5), abs=1e-5)
        assert math.isnan(run.epochs[0].test_loss)
        assert "test_loss" not in json.dumps(run.as_json(), allow_nan=False)


@pytest.mark.parametrize("buffers", [True, False], ids=["of all", "of weights only"])
def test_the_average_and_the_one_cycle_are_those_of_torch(buffers: bool, few: MNIST) -> None:
    recipe = replace(RECIPE, schedule=OneCycle(), average=0.9, average_buffers=buffers)
    torch.manual_seed(3)
    run = SingleTrainer(Tiny(), recipe, few, seed=3)
    torch.manual_seed(3)
    model = Tiny()
    optimizer = sgd(model, recipe)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=buffers)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=2 * 4, cycle_momentum=False)
    shuffle = torch.Generator().manual_seed(3)
    for _ in range(2):
        order = torch.randperm(116, generator=shuffle).tolist()
        reference.train_one_epoch(
            model, optimizer, few, recipe, order, scheduler=cycle, after_step=averaged.update_parameters
        )
        run.train_epoch()
        missed = evaluation(run.evaluated, few.test_images, few.test_labels, recipe.normalize).errors
        assert 100 * (116 - len(missed)) / 116 == reference.accuracy_of(averaged, few, recipe)
    counts = {name: value for name, value in model.state_dict(prefix="module.").items() if name.endswith("_tracked")}
    for name, weight in {**averaged.state_dict(), **counts}.items():  # torch rounds a mean of counts down
        torch.testing.assert_close(run.evaluated.state_dict()[name], weight, atol=1e-5, rtol=1e-5)


def numbers(epochs: tuple[Epoch, ...]) -> list[tuple[float, float, float]]:
    """What repeats with a seed: everything but the seconds."""
    return [(epoch.train_accuracy, epoch.test_accuracy, epoch.train_loss) for epoch in epochs]


def test_the_same_seed_gives_the_same_numbers_alone_or_among_others(few: MNIST) -> None:
    step = step_of(replace(RECIPE, augmentation=RandomAffine(degrees=10)), dropout=0.1)
    among = [run_alone(step, seed, few) for seed in (0, 1, 2)]
    alone = run_alone(step, 1, few)
    assert numbers(alone.epochs) == numbers(among[1].epochs)
    assert numbers(among[0].epochs) != numbers(among[1].epochs)


def test_training_leaves_the_global_generator_alone(data: MNIST) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    step = step_of(RECIPE, dropout=0.1)
    with training(step, [0], data) as run:
        trained(step, [0], run, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_a_shortened_run_follows_the_whole_schedule_and_is_no_verdict(few: MNIST) -> None:
    step = step_of(replace(RECIPE, epochs=4, schedule=OneCycle()))
    short, whole = run_alone(step, 0, few, epochs=2), run_alone(step, 0, few)
    assert numbers(short.epochs) == numbers(whole.epochs[:2])
    assert whole.complete
    assert not short.complete
    assert not short.held


@pytest.mark.thorough
def test_it_learns(data: MNIST) -> None:
    history = run_alone(step_of(replace(RECIPE, epochs=12)), 0, data)
    assert history.epochs[-1].test_accuracy > 95
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 13))


def test_dropout_and_batch_statistics_are_off_in_evaluation(data: MNIST) -> None:
    torch.manual_seed(0)
    model = Tiny(dropout=0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (evaluation(model, data.test_images, data.test_labels, RECIPE.normalize) for _ in range(2))
    assert first == second
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("final", "held"),
    [
        ((99.40, 99.40, 99.40), True),
        ((99.39, 99.60, 99.60), False),
        ((99.60, 99.60, 99.39), False),
    ],
)
def test_a_run_holds_the_goal_in_each_of_its_final_epochs(final: tuple[float, ...], held: bool) -> None:
    step = step_of(replace(RECIPE, epochs=4))
    accuracies = (10.0, *final)
    epochs = tuple(Epoch(number + 1, 99.0, accuracy, 0.1, 1.0) for number, accuracy in enumerate(accuracies))
    history = Run(step, 0, epochs)
    assert history.final == final
    assert history.held is held


def test_a_loss_that_is_not_finite_ends_the_run_with_its_name(data: MNIST) -> None:
    step = step_of(replace(RECIPE, lr=1e30))
    with pytest.raises(HarnessError, match=r"training/Step, seed 3: the loss is (nan|inf) in epoch 1"):
        sound([run_alone(step, 3, data)])


def test_a_model_with_another_output_is_refused(data: MNIST) -> None:
    step = step_of(RECIPE)
    step.model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 7))
    with pytest.raises(HarnessError, match="into 2 x 7, not 2 x 10"):
        run_alone(step, 0, data)


def test_a_model_that_cannot_take_a_digit_is_refused(data: MNIST) -> None:
    step = step_of(RECIPE)
    step.model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 10))
    with pytest.raises(HarnessError, match="its forward pass raised RuntimeError: .*mat1 and mat2"):
        run_alone(step, 0, data)


def test_the_rate_follows_the_schedule_step_by_step(data: MNIST) -> None:
    run = SingleTrainer(Tiny(), replace(RECIPE, lr=0.1, schedule=StepLR(1, gamma=0.15)), data, seed=0)
    assert run.steps_per_epoch == math.ceil(500 / 32) == 16
    run.set_rate(0)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    run.train_epoch()
    run.set_rate(0)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(0.015)
