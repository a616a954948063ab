"""A network in training: what a trainer can do, and the one that trains a single network, as on a CPU.

Everything random comes from the seed. The initial weights draw from torch's global generator, which whoever asks for a
network puts back afterwards; the order of the images, their augmentation and dropout each have a generator of their
own, so that changing one does not shift the others.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from harness.data import MNIST
from harness.device import layout
from harness.recipe import Recipe
from harness.run import Errors
from harness.step import Step
from harness.training import dropout
from harness.training.augmentation import prepare
from harness.training.evaluation import check_output, errors
from harness.training.losses import loss_of
from harness.training.snapshot import Generators, State, capture, restore


class Trainer(Protocol):
    """What one network in training (`SingleTrainer`) and several side by side (`training.Together`) have in common."""

    data: MNIST
    epoch: int
    """Epochs behind."""
    sound: Tensor
    """(S,) how many batches of the last epoch had a finite loss, up to the first that had not."""

    def launch_epoch(self) -> None:
        """Launch the steps of an epoch, without waiting until the device has done them."""

    def pass_of_each(self) -> list[tuple[float, int]]:
        """Train an epoch: for each network the mean loss of the batches and the images classified correctly."""

    def errors_of_each(self) -> list[Errors]:
        """What each network misses of the test images."""

    def state(self) -> State:
        """All that the epochs to come depend on, as copies on the CPU."""

    def restore(self, state: State, epoch: int) -> None:
        """Go on from a state that was taken after so many epochs; ValueError if it is not of this network."""


def alone(step: type[Step], seed: int, data: MNIST) -> "SingleTrainer":
    """The network of one seed, before its first epoch; seeds torch's global generator."""
    device = data.train_images.device
    torch.manual_seed(seed)
    model = step.model().to(device).to(memory_format=layout(device))
    check_output(step, model, device)
    return SingleTrainer(model, step.recipe, data, seed)


class SingleTrainer:
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
        self.loss_sum = torch.zeros((), device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.sound = torch.zeros(1, dtype=torch.int64, device=device)
        self.steps_per_epoch = math.ceil(len(data.train_labels) / recipe.batch_size)
        self.averaged: AveragedModel | None = None
        if recipe.average is not None:
            self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)

    @property
    def evaluated(self) -> nn.Module:
        """The network that predicts: the average of the weights if the recipe asks for one."""
        return self.model if self.averaged is None else self.averaged

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

    def launch_epoch(self) -> None:
        """See `Trainer`."""
        self.model.train()
        # Sums stay on the device: reading one a batch would make a GPU wait.
        self.loss_sum.zero_()
        self.correct.zero_()
        self.sound.zero_()
        for step, (images, labels) in enumerate(self.batches()):
            self.set_rate(step)
            loss, hits = self.train_step(images, labels)
            self.loss_sum += loss
            self.correct += hits
            self.sound += self.loss_sum.isfinite()  # once it is not, it never is again
        self.epoch += 1

    def pass_of_each(self) -> list[tuple[float, int]]:
        """See `Trainer`; a list of one."""
        self.launch_epoch()
        return [(self.loss_sum.item() / self.steps_per_epoch, int(self.correct.item()))]

    def errors_of_each(self) -> list[Errors]:
        """What the network misses of the test images, as a list of one."""
        return [errors(self.evaluated, self.data.test_images, self.data.test_labels, self.recipe.normalize)]

    def state(self) -> State:
        """See `Trainer`."""
        return capture(self._live(), self.optimizer, self._generators())

    def restore(self, state: State, epoch: int) -> None:
        """See `Trainer`."""
        restore(self._live(), self.optimizer, self._generators(), state)
        self.epoch = epoch

    def _live(self) -> dict[str, Tensor]:
        averaged = {} if self.averaged is None else self.averaged.state_dict(prefix="average.")
        return {**self.model.state_dict(prefix="model."), **averaged}

    def _generators(self) -> Generators:
        # torch's global one as well, for a network that draws from it while it is trained
        own = {"order": self.order, "augmentation": self.augmentation, "dropout": self.dropout}
        return {name: [one] for name, one in {**own, "global": torch.default_generator}.items()}


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
