"""The one training loop: a recipe, a network and tensors in memory, an epoch at a time.

Everything random comes from the seed. The initial weights draw from torch's global generator, seeded here and put back
afterwards; the order of the images, their augmentation and dropout each have a generator of their own, so that changing
one does not shift the others. The same seed, device and versions give the same numbers, bit for bit on the CPU with the
same number of threads.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from harness import augment, dropout
from harness.data import MNIST, load
from harness.errors import HarnessError
from harness.recipe import Normalize, Recipe
from harness.stats import holds
from harness.step import StepSpec

Errors = tuple[tuple[int, int, int], ...]
"""Images that were misclassified: index, digit, digit predicted."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Accuracies are in percent, seconds are wall time, evaluation included.

    Of seeds that were trained together the seconds are the share of each.

    `train_accuracy` is the running accuracy of the published notebooks: counted batch by batch while the weights
    change, with dropout and augmentation on. `test_accuracy` is over all test images after the epoch, and `errors`
    names those that it misses.
    """

    epoch: int
    train_accuracy: float
    test_accuracy: float
    train_loss: float
    seconds: float
    errors: Errors = ()


@dataclass(frozen=True)
class History:
    """One run: a step, a seed and its epochs so far, 1-based and in order."""

    step: type[StepSpec]
    seed: int
    epochs: tuple[Epoch, ...]
    together: int = 1
    """How many seeds were trained at once."""

    @property
    def final(self) -> tuple[float, ...]:
        """Test accuracy of the final epochs, in percent."""
        return tuple(epoch.test_accuracy for epoch in self.epochs[-self.step.final_epochs :])

    @property
    def complete(self) -> bool:
        """Whether the recipe's epochs were all run; a shortened run is no verdict."""
        return len(self.epochs) == self.step.recipe.epochs

    @property
    def held(self) -> bool:
        """Whether each of the final epochs of a complete run is at the goal or above."""
        return self.complete and holds(self.final)


OnEpoch = Callable[[type[StepSpec], int, Epoch], None]


def train(
    step: type[StepSpec],
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

    Raises HarnessError if the data cannot be had, the model's output is not N x 10, or the loss is not finite.
    """
    data = (data or load()).to(device)
    histories = []
    for group in groups(seeds, data.train_images.device):
        runs: dict[int, list[Epoch]] = {seed: [] for seed in group}
        for of_each in epochs_of_group(step, group, data, epochs):
            for seed, epoch in zip(group, of_each, strict=True):
                runs[seed].append(epoch)
                if on_epoch is not None:
                    on_epoch(step, seed, epoch)
        histories += [History(step, seed, tuple(run), len(group)) for seed, run in runs.items()]
    return histories


def groups(seeds: Iterable[int], device: torch.device) -> list[list[int]]:
    """The seeds that are trained together: all of them on a GPU, each alone on a CPU, where that is faster."""
    return [list(seeds)] if device.type == "cuda" else [[seed] for seed in seeds]


def epochs_of_group(
    step: type[StepSpec], seeds: list[int], data: MNIST, epochs: int | None = None
) -> Iterator[list[Epoch]]:
    """Train seeds together, yielding the epoch of each as it ends."""
    if data.train_images.device.type == "cuda":
        from harness.together import epochs_together  # which builds on this module

        yield from epochs_together(step, seeds, data, epochs)
    else:
        yield from ([epoch] for epoch in epochs_of(step, seeds[0], data, epochs))


def epochs_of(step: type[StepSpec], seed: int, data: MNIST, epochs: int | None = None) -> Iterator[Epoch]:
    """Train one seed on the device where the data is, yielding each epoch as it ends."""
    recipe, device = step.recipe, data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = step.model().to(device).to(memory_format=layout(device))
        check_output(step, model, device)
        run = Run(model, recipe, data, seed)
        for number in range(1, (epochs or recipe.epochs) + 1):
            began = time.perf_counter()
            loss, correct = run.train_epoch()
            check_loss(step, seed, number, loss)
            wrong = errors(run.evaluated, data.test_images, data.test_labels, recipe.normalize)
            yield epoch_of(number, loss, correct, wrong, time.perf_counter() - began, data)


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


def check_loss(step: type[StepSpec], seed: int, epoch: int, loss: float) -> None:
    """Raise HarnessError if the mean loss of an epoch is not finite."""
    if not math.isfinite(loss):
        raise HarnessError(f"{step.id}, seed {seed}: the loss is {loss} in epoch {epoch}; lower the rate")


def layout(device: torch.device) -> torch.memory_format:
    """How images lie in memory: channels last on the CPU, where networks of few channels run up to twice as fast so."""
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


class Run:
    """A network in training: its optimizer, its random streams and how many steps are behind it."""

    def __init__(self, model: nn.Module, recipe: Recipe, data: MNIST, seed: int) -> None:
        device = data.train_images.device
        self.model, self.recipe, self.data = model, recipe, data
        dropout.replace(model, [torch.Generator(device).manual_seed(seed)])
        self.optimizer = optimizer_of(model.parameters(), recipe, recipe.lr)
        # The order is drawn on the CPU, so that it is the same on every device.
        self.order = torch.Generator().manual_seed(seed)
        self.augmentation = torch.Generator(device).manual_seed(seed)
        self.epoch = 0
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
        for step, (images, labels) in enumerate(self.batches()):
            self.set_rate(step)
            loss, hits = self.train_step(images, labels)
            loss_sum += loss
            correct += hits
        self.epoch += 1
        return loss_sum.item() / self.steps_per_epoch, int(correct.item())

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
        loss = F.nll_loss(log_probabilities, labels)
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


def check_output(step: type[StepSpec], model: nn.Module, device: torch.device) -> None:
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
