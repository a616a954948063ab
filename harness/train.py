"""The one training loop: a recipe, a network and tensors in memory, an epoch at a time.

Everything random comes from the seed. The initial weights draw from torch's global generator, seeded here and put back
afterwards; the order of the images, their augmentation and dropout each have a generator of their own, so that changing
one does not shift the others. The same seed, device and versions give the same numbers, bit for bit on the CPU with the
same number of threads.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from harness import augment, dropout
from harness.data import MNIST, load
from harness.device import layout
from harness.errors import HarnessError
from harness.history import Epoch as Epoch
from harness.history import Errors as Errors
from harness.history import History as History
from harness.history import Outcome, Progress, finite
from harness.losses import loss_of
from harness.recipe import Normalize, Recipe
from harness.state import Generators, State, put_back, take
from harness.step import Step

OnEpoch = Callable[[type[Step], int, Epoch], None]


class Training(Protocol):
    """What one network in training (`Run`) and several side by side (`harness.together.Together`) have in common."""

    data: MNIST
    epoch: int
    """Epochs behind."""
    sound: Tensor
    """(S,) how many batches of the last epoch had a finite loss, up to the first that had not."""

    def pass_of_each(self) -> list[tuple[float, int]]:
        """Train an epoch: for each network the mean loss of the batches and the images classified correctly."""

    def errors_of_each(self) -> list[Errors]:
        """What each network misses of the test images."""

    def state(self) -> State:
        """All that the epochs to come depend on, as copies on the CPU."""

    def restore(self, state: State, epoch: int) -> None:
        """Go on from a state that was taken after so many epochs; ValueError if it is not of this network."""


def train(
    step: type[Step],
    seeds: Iterable[int],
    device: torch.device | str = "cpu",
    *,
    epochs: int | None = None,
    data: MNIST | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[History]:
    """Train the step once a seed and return the histories in the order of the seeds.

    `epochs` shortens the run: the schedule stays that of the whole recipe. `data` defaults to MNIST, found or fetched.
    `on_epoch` is called after each epoch with the step, the seed and the epoch.

    Raises HarnessError if the data cannot be had, the model's output is not N x 10, or, once all seeds are trained,
    the loss of some was not finite.
    """
    data = (data or load()).to(device)
    histories: list[History] = []
    for group in groups(seeds, data.train_images.device):
        progress = Progress(group)
        with training(step, group, data) as run:
            while not progress.over(epochs or step.recipe.epochs):
                outcomes = dict(zip(group, next_epoch(step, group, run), strict=True))
                for seed, outcome in progress.add(outcomes).items():
                    if on_epoch is not None and isinstance(outcome, Epoch):
                        on_epoch(step, seed, outcome)
        histories += progress.histories(step)
    return sound(histories)


def sound(histories: list[History]) -> list[History]:
    """The same histories; HarnessError if some of the runs failed."""
    failures = [history.failed for history in histories if history.failed]
    if failures:
        raise HarnessError("; ".join(failures))
    return histories


def groups(seeds: Iterable[int], device: torch.device, workers: int = 1) -> list[list[int]]:
    """The seeds that are trained together: each alone on a CPU, where that is faster, all that share a GPU on GPUs."""
    seeds = list(seeds)
    if device.type != "cuda":
        return [[seed] for seed in seeds]
    return [seeds[first::workers] for first in range(min(workers, len(seeds)))]


@contextmanager
def training(step: type[Step], seeds: Sequence[int], data: MNIST) -> Iterator[Training]:
    """The networks of seeds that are trained together, on the device where the data is, before their first epoch.

    torch's global generator is put back afterwards.
    """
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type == "cuda":
            from harness.together import together  # which builds on this module

            yield together(step, seeds, data)
        else:
            [seed] = seeds
            yield alone(step, seed, data)


def next_epoch(step: type[Step], seeds: Sequence[int], run: Training) -> list[Outcome]:
    """Train and evaluate one epoch: what came of it for each seed."""
    began = time.perf_counter()
    passes = run.pass_of_each()
    wrong = run.errors_of_each()
    share = (time.perf_counter() - began) / len(seeds)
    return [
        check_loss(step, seed, run.epoch, loss, batch) or epoch_of(run.epoch, loss, correct, missing, share, run.data)
        for seed, (loss, correct), missing, batch in zip(seeds, passes, wrong, run.sound.tolist(), strict=True)
    ]


def epochs_of(step: type[Step], seed: int, data: MNIST, epochs: int | None = None) -> Iterator[Epoch]:
    """Train one seed on the device where the data is, yielding each epoch; HarnessError once a loss is not finite."""
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        run = alone(step, seed, data)
        while run.epoch < (epochs or step.recipe.epochs):
            [outcome] = next_epoch(step, [seed], run)
            yield finite(outcome)


def alone(step: type[Step], seed: int, data: MNIST) -> "Run":
    """The network of one seed, before its first epoch; seeds torch's global generator."""
    device = data.train_images.device
    torch.manual_seed(seed)
    model = step.model().to(device).to(memory_format=layout(device))
    check_output(step, model, device)
    return Run(model, step.recipe, data, seed)


def epoch_of(number: int, loss: float, correct: int, wrong: Errors, seconds: float, data: MNIST) -> Epoch:
    """What an epoch came to, from the counts over the training and the test images."""
    return Epoch(
        epoch=number,
        train_accuracy=percent(correct, len(data.train_labels)),
        test_accuracy=percent(len(data.test_labels) - len(wrong), len(data.test_labels)),
        train_loss=round(loss, 6),
        seconds=round(seconds, 2),
        errors=wrong,
    )


def check_loss(step: type[Step], seed: int, epoch: int, loss: float, sound: int) -> HarnessError | None:
    """What is wrong with the mean loss of an epoch, of which so many batches were sound; None if it is finite."""
    if math.isfinite(loss):
        return None
    where = f"epoch {epoch}, batch {sound + 1}"
    return HarnessError(f"{step.id}, seed {seed}: the loss is {loss} in {where}; lower the rate")


class Run:
    """A network in training: its optimizer, its random streams and how many steps are behind it."""

    def __init__(self, model: nn.Module, recipe: Recipe, data: MNIST, seed: int) -> None:
        device = data.train_images.device
        self.model, self.recipe, self.data = model, recipe, data
        self.dropout = torch.Generator(device).manual_seed(seed)
        dropout.replace(model, [self.dropout])
        self.optimizer = optimizer_of(model.parameters(), recipe, recipe.lr)
        self.loss = loss_of(recipe, device)
        # The order is drawn on the CPU, so that it is the same on every device.
        self.order = torch.Generator().manual_seed(seed)
        self.augmentation = torch.Generator(device).manual_seed(seed)
        self.epoch = 0
        self.sound = torch.zeros(1, dtype=torch.int64, device=device)
        self.steps_per_epoch = math.ceil(len(data.train_labels) / recipe.batch_size)
        self.averaged: AveragedModel | None = None
        if recipe.average is not None:
            self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)

    @property
    def evaluated(self) -> nn.Module:
        """The network that predicts: the average of the weights if the recipe asks for one."""
        return self.model if self.averaged is None else self.averaged

    def train_epoch(self) -> tuple[float, int]:
        """One pass over the training images: the mean loss of the batches and the images classified correctly."""
        self.model.train()
        # Sums stay on the device: reading one a batch would make a GPU wait.
        loss_sum = torch.zeros((), device=self.data.train_images.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.data.train_images.device)
        self.sound.zero_()
        for step, (images, labels) in enumerate(self.batches()):
            self.set_rate(step)
            loss, hits = self.train_step(images, labels)
            loss_sum += loss
            correct += hits
            self.sound += loss_sum.isfinite()  # once it is not, it never is again
        self.epoch += 1
        return loss_sum.item() / self.steps_per_epoch, int(correct.item())

    def pass_of_each(self) -> list[tuple[float, int]]:
        """The same, as a list of one."""
        return [self.train_epoch()]

    def errors_of_each(self) -> list[Errors]:
        """What the network misses of the test images, as a list of one."""
        return [errors(self.evaluated, self.data.test_images, self.data.test_labels, self.recipe.normalize)]

    def state(self) -> State:
        """See `Training`."""
        return take(self._live(), self.optimizer, self._generators())

    def restore(self, state: State, epoch: int) -> None:
        """See `Training`."""
        put_back(self._live(), self.optimizer, self._generators(), state)
        self.epoch = epoch

    def _live(self) -> dict[str, Tensor]:
        averaged = {} if self.averaged is None else self.averaged.state_dict(prefix="average.")
        return {**self.model.state_dict(prefix="model."), **averaged}

    def _generators(self) -> Generators:
        # torch's global one as well, for a network that draws from it while it is trained
        own = {"order": self.order, "augmentation": self.augmentation, "dropout": self.dropout}
        return {name: [one] for name, one in {**own, "global": torch.default_generator}.items()}

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented, normalized batches: images (B, 1, 28, 28) float32 and labels (B,)."""
        order = torch.randperm(len(self.data.train_labels), generator=self.order)
        for index in order.to(self.data.train_images.device).split(self.recipe.batch_size):
            images = prepare(self.data.train_images[index], self.recipe, self.augmentation)
            yield images, self.data.train_labels[index]

    def set_rate(self, step: int) -> None:
        """Set the learning rate for a 0-based step of the present epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.epoch, step, self.steps_per_epoch)

    def train_step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One step of gradient descent on a batch; its loss and its correct predictions, left on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        log_probabilities = self.model(images)
        loss = self.loss(images, log_probabilities, labels)
        loss.backward()
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        return loss.detach(), (log_probabilities.detach().argmax(1) == labels).sum()


def optimizer_of(weights: Iterable[Tensor], recipe: Recipe, rate: float | Tensor) -> torch.optim.SGD:
    """The optimizer of a recipe; a rate that is a tensor can be changed within a CUDA graph."""
    return torch.optim.SGD(
        weights,
        lr=rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def prepare(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """uint8 images (N, H, W) augmented and normalized as the recipe says: float32 (N, 1, H, W)."""
    if recipe.augmentation is None:
        return transformed(images, recipe, None)
    return transformed(images, recipe, augment.draw(recipe.augmentation, len(images), images.shape[-1], generator))


def transformed(images: Tensor, recipe: Recipe, affine: augment.Affine | None) -> Tensor:
    """The same with the parameters of the augmentation, N of them, already drawn."""
    transform = recipe.augmentation
    if transform is None or affine is None:
        return normalized(images, recipe.normalize)
    if transform.on == "image":
        return normalized(augment.warp_image(images, affine, int(transform.fill)), recipe.normalize)
    floats = normalized(images, recipe.normalize)
    return augment.warp_tensor(floats, affine, transform.fill, transform.interpolation)


def normalized(images: Tensor, normalize: Normalize) -> Tensor:
    """uint8 images (N, H, W) as float32 (N, 1, H, W), with torchvision's order of operations."""
    return images.unsqueeze(1).to(torch.float32).div_(255).sub_(normalize.mean).div_(normalize.std)


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize) -> float:
    """Accuracy of the model in evaluation mode, in percent, over all the images (N, H, W) uint8."""
    return percent(len(labels) - len(errors(model, images, labels, normalize)), len(labels))


@torch.inference_mode()
def errors(model: nn.Module, images: Tensor, labels: Tensor, normalize: Normalize, batch_size: int = 500) -> Errors:
    """What a model in evaluation mode misses of the images (N, H, W) uint8."""
    model.eval()
    predicted = torch.cat([model(normalized(batch, normalize)).argmax(1) for batch in images.split(batch_size)])
    return missed(predicted, labels)


def missed(predicted: Tensor, labels: Tensor) -> Errors:
    """Where the predictions (N,) are not the labels."""
    (index,) = torch.nonzero(predicted != labels, as_tuple=True)
    columns = (column.tolist() for column in (index, labels[index], predicted[index]))
    return tuple(zip(*columns, strict=True))


def percent(correct: int, n: int) -> float:
    """A share of n images in percent, rounded to what n can resolve (an image in 60,000 is 0.0017 points)."""
    return round(100 * correct / n, 4)


def check_output(step: type[Step], model: nn.Module, device: torch.device) -> None:
    """Raise HarnessError unless the model maps N x 1 x 28 x 28 to N x 10."""
    model.eval()
    try:
        with torch.inference_mode():
            output = model(torch.zeros(2, 1, 28, 28, device=device))
    except RuntimeError as error:
        raise HarnessError(f"{step.id}: the model does not take 2 x 1 x 28 x 28: {error}") from error
    shape = " x ".join(map(str, output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if shape != "2 x 10":
        raise HarnessError(f"{step.id}: the model turns 2 x 1 x 28 x 28 into {shape}, not 2 x 10")
