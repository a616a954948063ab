"""The trainer that runs in C++: one network on a CPU, with the same bits whatever the CPU and the number of threads."""

import copy
import ctypes
import math
import weakref
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.data import MNIST
from harness.recipe import Recipe
from harness.training.evaluation import Evaluation, missed
from harness.training.losses import teacher_network
from harness.training.native import library
from harness.training.native.library import pointer_to
from harness.training.native.operations import NotCoveredError
from harness.training.native.plan import plan_of
from harness.training.snapshot import Generators, State
from harness.training.trainer import Trainer

SETTINGS = {
    *("lr", "batch_size", "epochs", "momentum", "nesterov", "weight_decay", "schedule", "augmentation", "normalize"),
    *("average", "teacher", "drop_last", "validation"),
}
"""What of a recipe the kernels, or the trainer around them, know."""


class Network:
    """A network in the library, which trains its parameters and running statistics in place, as flat arrays.

    With `average` there is a second network with the average of both, and that one predicts.
    """

    def __init__(self, network: nn.Module, batch: int, *, average: bool = False) -> None:
        self.plan = plan_of(network)
        self.trained = network
        self.averaged = copy.deepcopy(network) if average else None
        # The arrays must live as long as the library has their addresses.
        self.parameters, self.buffers = map(_flat, (self.plan.parameters, self.plan.buffers))
        self.momentum = torch.zeros_like(self.parameters)
        self.average: Tensor | None = None
        self.average_buffers: Tensor | None = None
        if self.averaged is not None:  # the plan of a copy is that of the network
            copied = dict(zip(network.buffers(), self.averaged.buffers(), strict=True))
            self.average = _flat(list(self.averaged.parameters()))
            self.average_buffers = _flat([copied[buffer] for buffer in self.plan.buffers])
        tensors = (self.parameters, self.momentum, self.average, self.buffers, self.average_buffers)
        arrays = library.Arrays(*map(pointer_to, tensors), self.parameters.numel(), self.buffers.numel())
        self.handle = library.new_network(self.plan.units, batch, arrays)
        weakref.finalize(self, library.load().network_delete, self.handle)

    def predict(self, settings: library.Settings, images: Tensor) -> Tensor:
        """Logits (N, 10) of images (N, 28, 28) uint8, which are normalized and not augmented."""
        logits, images = torch.empty(len(images), 10), images.contiguous()
        averaged = self.averaged is not None
        enough = library.load().predict(
            self.handle, averaged, ctypes.byref(settings), pointer_to(images), len(images), pointer_to(logits)
        )
        if not enough:
            raise MemoryError(f"no memory for predictions of {len(images):,} images")
        return logits


def _flat(tensors: list[Tensor]) -> Tensor:
    """One array with the numbers of several tensors, of which each becomes a view."""
    flat = torch.cat([torch.empty(0), *(tensor.detach().flatten() for tensor in tensors)])
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.data = part.view(tensor.shape)
    return flat


def refusal_of(recipe: Recipe) -> str | None:
    """Why the kernels do not train as a recipe says; None if they do."""
    if recipe.cycled_momentum(0, 0, 1) is not None:
        return "its recipe cycles the momentum"
    unknown = [name for name in recipe.settings() if name not in SETTINGS]
    return f"its recipe has {unknown[0]}" if unknown else None


class NativeTrainer(Trainer):
    """Trains one network on a CPU."""

    at_once = 50
    """Training steps per call of the library, so that Ctrl-C is heard within a second."""

    def __init__(self, model: nn.Module, recipe: Recipe, data: MNIST, seed: int) -> None:
        if refused := refusal_of(recipe):
            raise NotCoveredError(refused)
        super().__init__(recipe, data, networks=1)
        batch = min(recipe.batch_size, self.images_per_epoch)  # a larger one never comes
        self.network = Network(model, batch, average=recipe.average is not None)
        self.teacher = None if recipe.teacher is None else Network(teacher_network(recipe.teacher), batch)
        self.settings = library.settings_of(recipe, seed)
        self.order = torch.Generator().manual_seed(seed)
        self.finite = torch.zeros(1, dtype=torch.int64)
        self.loss_sum, self.correct = ctypes.c_double(), ctypes.c_int64()
        normalizes_numbers = any(unit.normalized and unit.side == 1 for unit in self.network.plan.units)
        if normalizes_numbers and 1 in (batch, self.images_per_epoch % recipe.batch_size):
            raise NotCoveredError("it normalizes maps of one number in a batch of one image, whose variance is none")

    def launches(self, at_once: int) -> Iterator[int]:
        """Train the steps of an epoch, `at_once` at a time; after each call, how many had a finite loss so far.

        The first step whose loss is not finite is the last.
        """
        self.loss_sum.value, self.correct.value = 0.0, 0
        self.finite.zero_()
        order = torch.randperm(len(self.data.train_labels), generator=self.order)[: self.images_per_epoch]
        called = 0
        for part in order.split(at_once * self.recipe.batch_size):
            self.finite += self.train_steps(part, called)
            called += math.ceil(len(part) / self.recipe.batch_size)
            yield int(self.finite)
            if self.finite < called:
                return

    def train_steps(self, order: Tensor, start: int) -> int:
        """Train on the images of this order, from a step of the epoch on; returns the steps with a finite loss."""
        steps = math.ceil(len(order) / self.recipe.batch_size)
        rates = [self.rate_of(start + step) for step in range(steps)]
        done: int = library.load().train(
            self.network.handle,
            None if self.teacher is None else self.teacher.handle,
            ctypes.byref(self.settings),
            pointer_to(self.data.train_images),
            pointer_to(self.data.train_labels),
            pointer_to(order),
            len(order),
            self.recipe.batch_size,
            (ctypes.c_float * steps)(*rates),
            self.epoch * self.steps_per_epoch + start,
            ctypes.byref(self.loss_sum),
            ctypes.byref(self.correct),
        )
        if done < 0:
            raise MemoryError("no memory for a training step")
        return done

    def train_epoch(self) -> list[tuple[float, int]]:
        """Train an epoch: mean loss over batches and correct predictions, in a list of one."""
        self.launch_epoch()
        return [(self.loss_sum.value / self.steps_per_epoch, self.correct.value)]

    def evaluate(self, images: Tensor, labels: Tensor) -> list[Evaluation]:
        """The images that the network misses, and its mean loss on all of them, in a list of one."""
        logits = self.network.predict(self.settings, images)
        predicted = torch.empty_like(labels)
        loss = library.load().judge(pointer_to(logits), pointer_to(labels), len(labels), pointer_to(predicted))
        return [Evaluation(missed(predicted, labels), loss)]

    def _live(self) -> State:
        network = self.network
        average = {} if network.averaged is None else network.averaged.state_dict(prefix="average.module.")
        live = {**network.trained.state_dict(prefix="model."), **average, "momentum": network.momentum}
        return live | self.memory()

    def _generators(self) -> Generators:
        return {"order": [self.order]}
