"""The interface of a trainer, and the trainer of a single network, as on a CPU.

Everything random comes from the seed. The initial weights are drawn from torch's global generator, which the caller
restores. The order of the images, their augmentation and dropout each have a generator of their own, so that changing
one does not change the draws of the others.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from harness.data import MNIST, hold_out
from harness.errors import HarnessError, foreign, foreign_call
from harness.recipe import Recipe, ReduceLROnPlateau
from harness.step import Step
from harness.training import dropout
from harness.training.augmentation import in_order
from harness.training.average import averageable, follow
from harness.training.evaluation import Evaluation, evaluation, percent
from harness.training.losses import check_teacher, loss_of
from harness.training.network import prepared
from harness.training.optimizers import optimizer_of, set_momentum
from harness.training.regularization import clip, l1
from harness.training.seeding import drawing_from_torch, seeded
from harness.training.snapshot import Generators, State, capture, global_generators, restore


class Trainer(ABC):
    """S networks of one step in training: one per seed for `EnsembleTrainer`, and else S = 1."""

    at_once = 1
    """Training steps per launch."""
    recipe: Recipe
    data: MNIST
    steps_per_epoch: int
    epoch: int
    """How many epochs are finished."""
    steps: int
    """How many training steps of all epochs were launched."""
    optimizer: torch.optim.Optimizer | None = None
    """That of torch, if it is one of its that trains."""
    finite: Tensor
    """(S,) how many batches of the last epoch came before the first whose loss was not finite."""
    taken: Tensor
    """A count on the device of the training steps that it has taken."""
    on_steps: Callable[[int, int], None]
    """Called in each epoch with how many of its steps are launched, and of how many, again and again."""
    held_out: Tensor
    """(S, epochs) the held-out loss or accuracy that ReduceLROnPlateau watches; NaN for epochs to come."""

    def __init__(self, recipe: Recipe, data: MNIST, networks: int) -> None:
        check_teacher(recipe)
        self.recipe, self.data, self.epoch, self.steps = recipe, data, 0, 0
        self.on_steps = lambda launched, of: None
        self.steps_per_epoch = batches_of(recipe, len(data.train_labels))
        self.taken = torch.zeros((), dtype=torch.int64, device=data.train_images.device)
        self.held_out = torch.full((networks, recipe.epochs), math.nan, dtype=torch.float64)

    @property
    def images_per_epoch(self) -> int:
        """How many images are trained on in an epoch: all of them, or those of whole batches."""
        return min(self.steps_per_epoch * self.recipe.batch_size, len(self.data.train_labels))

    def launch_epoch(self) -> None:
        """Launch the steps of an epoch, without waiting for the device."""
        for launched in self.launches(self.at_once):
            self.on_steps(launched, self.steps_per_epoch)
        self.epoch += 1

    @abstractmethod
    def launches(self, at_once: int) -> Iterator[int]:
        """Launch the steps of an epoch, `at_once` at a time; after each launch, how many there were so far."""

    @abstractmethod
    def train_epoch(self) -> list[tuple[float, int]]:
        """Train an epoch: for each network the mean loss over batches and the number of correct predictions."""

    @abstractmethod
    def evaluate(self, images: Tensor, labels: Tensor) -> list[Evaluation]:
        """For each network those of the images (N, H, W) uint8 that it misses, and its mean loss over all of them."""

    def test(self) -> list[Evaluation]:
        """The evaluation of each network on the test images."""
        return self.evaluate(self.data.test_images, self.data.test_labels)

    def observe(self, tested: list[Evaluation]) -> None:
        """Let the schedule see how each network was judged after the last epoch, if that matters to it."""
        schedule, n = self.recipe.schedule, len(self.data.test_labels)
        if isinstance(schedule, ReduceLROnPlateau):
            for own, one in zip(self.held_out, tested, strict=True):
                own[self.epoch - 1] = one.loss if schedule.mode == "min" else percent(n - len(one.errors), n)

    def rate_of(self, step: int, network: int = 0) -> float:
        """The learning rate of a network in a step of this epoch, counted from 0."""
        seen = self.held_out[network, : self.epoch].tolist() if self.memory() else ()
        return self.recipe.rate(self.epoch, step, self.steps_per_epoch, seen)

    def memory(self) -> State:
        """What the schedule has seen, if that matters to it."""
        return {"held_out": self.held_out} if isinstance(self.recipe.schedule, ReduceLROnPlateau) else {}

    def state(self) -> State:
        """Everything that the next epoch depends on, as copies on the CPU."""
        return capture(self._live(), self.optimizer, self._generators())

    def restore(self, state: State, epoch: int) -> None:
        """Resume from the state after `epoch` epochs; ValueError if it is of another network."""
        restore(self._live(), self.optimizer, self._generators(), state)
        self.epoch, self.steps = epoch, epoch * self.steps_per_epoch
        self.taken.fill_(self.steps)

    @abstractmethod
    def _live(self) -> State:
        """The tensors of that state, which change while it trains, without those of the optimizer."""

    @abstractmethod
    def _generators(self) -> Generators:
        """The generators of that state, by name."""


def batches_of(recipe: Recipe, n: int) -> int:
    """How many batches an epoch of n images has; HarnessError if it has none."""
    if not recipe.drop_last:
        return math.ceil(n / recipe.batch_size)
    if n < recipe.batch_size:
        raise HarnessError(f"drop_last leaves no batch of {recipe.batch_size} in {n:,} images; lower batch_size")
    return n // recipe.batch_size


def with_validation_split(recipe: Recipe, data: MNIST) -> MNIST:
    """The data that a recipe trains on and is judged on: images held out are in the place of the test images.

    Raises HarnessError if its share of the training images is none.
    """
    if recipe.validation == 0:
        return data
    n = len(data.train_labels)
    held = round(recipe.validation * n)
    if not 0 < held < n:
        raise HarnessError(f"validation={recipe.validation} holds out {held} of {n:,} images; take another share")
    return hold_out(data, held)


def single_trainer(step: type[Step], seed: int, data: MNIST) -> "SingleTrainer":
    """The trainer of one seed, before its first epoch. Seeds torch's global generator."""
    with seeded(seed):
        network = step.network()
    model = prepared(step, network, data.train_images.device)
    return SingleTrainer(model, step.recipe, with_validation_split(step.recipe, data), seed)


class SingleTrainer(Trainer):
    """Trains one network. Faster than an ensemble of one on a CPU."""

    def __init__(self, model: nn.Module, recipe: Recipe, data: MNIST, seed: int) -> None:
        super().__init__(recipe, data, networks=1)
        device = data.train_images.device
        self.model = model
        self.masks = dropout.masks_of([seed], self.taken)
        dropout.replace(model, self.masks)
        self.optimizer: torch.optim.Optimizer = optimizer_of(model.parameters(), recipe, recipe.lr)
        self.loss = loss_of(recipe, device)
        # Drawn on the CPU, so that the order is the same on every device.
        self.order = torch.Generator().manual_seed(seed)
        self.augmentation = torch.Generator(device).manual_seed(seed)
        self.loss_sum = torch.zeros((), device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.finite = torch.zeros(1, dtype=torch.int64, device=device)
        self.averaged: AveragedModel | None = None
        if recipe.average is not None:
            self.averaged = AveragedModel(model)
            buffers = dict(model.named_buffers()) if recipe.average_buffers else {}
            self.means = set(averageable({**dict(model.named_parameters()), **buffers}))

    @property
    def evaluated(self) -> nn.Module:
        """The network that predicts: the average of the weights if the recipe asks for one."""
        return self.model if self.averaged is None else self.averaged

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented, normalized batches: images (B, 1, 28, 28) float32 and labels (B,)."""
        order = torch.randperm(len(self.data.train_labels), generator=self.order)[: self.images_per_epoch]
        order = order[None].to(self.data.train_images.device)
        for images, labels in in_order(self.data, order, self.recipe, [self.augmentation]):
            yield images[0], labels[0]

    def set_rate(self, step: int) -> None:
        """Set the learning rate, and the momentum if it has a schedule, for a step of this epoch, counted from 0."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate_of(step)
        set_momentum(self.optimizer, self.recipe.cycled_momentum(self.epoch, step, self.steps_per_epoch))

    @torch.no_grad()
    def _update_average(self) -> None:
        # By the count of the trainer, as torch's is on the device, which would have to be waited for.
        if self.averaged is None:
            return
        trained, average = (
            {**dict(one.named_parameters()), **dict(one.named_buffers())} for one in (self.model, self.averaged.module)
        )
        if self.steps:
            follow({name: average[name] for name in self.means}, trained, 1 - self.recipe.decay(self.steps))
        for name in average.keys() - (self.means if self.steps else set()):  # the first average is a copy
            average[name].copy_(trained[name])
        self.averaged.n_averaged += 1

    def objective(self, images: Tensor, log_probabilities: Tensor, labels: Tensor) -> Tensor:
        """What a training step lowers: the loss of a batch, with the penalty of the recipe."""
        loss = self.loss(images, log_probabilities, labels)
        return loss + self.recipe.l1 * l1(self.model.parameters()) if self.recipe.l1 > 0 else loss

    def train_step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One step of gradient descent; the loss and the correct predictions of the batch, left on the device."""
        self.masks.begin()
        self.optimizer.zero_grad(set_to_none=True)
        with nullcontext() if self.steps else drawing_from_torch(), foreign_call("its forward pass"):
            log_probabilities = self.model(images)
        loss = self.objective(images, log_probabilities, labels)
        with foreign("its backward pass"):
            loss.backward()
        clip(self.model.parameters(), self.recipe)
        self.optimizer.step()
        self._update_average()
        self.steps += 1
        self.taken += 1
        return loss.detach(), (log_probabilities.detach().argmax(1) == labels).sum()

    def launches(self, at_once: int) -> Iterator[int]:
        """Launch the steps of an epoch, each alone; after each, how many there were so far."""
        self.model.train()
        # Sums stay on the device: reading one per batch would make a GPU wait.
        self.loss_sum.zero_()
        self.correct.zero_()
        self.finite.zero_()
        for step, (images, labels) in enumerate(self.batches()):
            self.set_rate(step)
            loss, hits = self.train_step(images, labels)
            self.loss_sum += loss
            self.correct += hits
            self.finite += self.loss_sum.isfinite()  # a sum that is not finite stays so
            yield step + 1

    def train_epoch(self) -> list[tuple[float, int]]:
        """Train an epoch: mean loss over batches and correct predictions, in a list of one."""
        self.launch_epoch()
        return [(self.loss_sum.item() / self.steps_per_epoch, int(self.correct.item()))]

    def evaluate(self, images: Tensor, labels: Tensor) -> list[Evaluation]:
        """The images that the network misses, and its mean loss, in a list of one."""
        return [evaluation(self.evaluated, images, labels, self.recipe.normalize)]

    def _live(self) -> dict[str, Tensor]:
        averaged = {} if self.averaged is None else self.averaged.state_dict(prefix="average.")
        return {**self.model.state_dict(prefix="model."), **averaged, **self.memory()}

    def _generators(self) -> Generators:
        # torch's global ones too, for networks that draw from them in training
        own = {"order": self.order, "augmentation": self.augmentation}
        single = {name: [one] for name, one in {**own, **global_generators(self.data.train_images.device)}.items()}
        return {**single, "dropout": self.masks.generators}
