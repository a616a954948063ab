"""Many seeds at once: S networks of one step are trained as one computation over stacked weights.

A small network leaves a GPU idle between kernels; S of them stacked cost little more than one. Each network has its own
initial weights, order of images, augmentation and dropout, drawn as if it were trained alone, so that its results are
those of `SingleTrainer` up to rounding: `torch.vmap` turns S convolutions into a grouped one, which sums in another
order.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from harness.data import MNIST
from harness.errors import HarnessError, foreign, foreign_call
from harness.recipe import Recipe, ReduceLROnPlateau
from harness.step import Step
from harness.training import batch_norm, dropout
from harness.training.augmentation import in_order, normalized
from harness.training.average import averageable, follow
from harness.training.cuda_graph import StepGraphs
from harness.training.evaluation import BATCH, Evaluation, evaluations
from harness.training.losses import loss_of
from harness.training.network import classifier
from harness.training.optimizers import optimizer_of, set_momentum
from harness.training.regularization import clip_each, l1_of_each, per_network
from harness.training.seeding import seeded
from harness.training.snapshot import Generators, State
from harness.training.trainer import Trainer, with_validation_split

AT_ONCE = {"cuda": 8}
"""Training steps per launch, where there are several: they wait less often for the host and take longer to record."""


class EnsembleTrainer(Trainer):
    """Trains S networks at once; S is the first dimension of their weights, buffers, images and losses.

    The networks must be of one class and differ in their weights only. They share a loss, the sum of theirs, whose
    gradient with respect to the weights of one network is the gradient of its own loss.
    """

    def __init__(self, models: Sequence[nn.Module], recipe: Recipe, data: MNIST, seeds: Sequence[int]) -> None:
        super().__init__(recipe, data, networks=len(seeds))
        device = data.train_images.device
        self.seeds = tuple(seeds)
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.augmentations = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.weights, self.buffers = stack_module_state([model.train() for model in models])
        self.network = models[0]  # its structure only: every call is given the stacked weights
        self.masks = dropout.masks_of(seeds, self.taken)
        dropout.replace(self.network, self.masks)
        batch_norm.replace(self.network)
        rate = torch.tensor(float(recipe.lr), device=device)
        self.optimizer: torch.optim.Optimizer = optimizer_of(self.weights.values(), recipe, rate)
        self.loss = loss_of(recipe, device)
        self.began = 0  # steps before this epoch
        self.at_once = AT_ONCE.get(device.type, 1)
        self.graphs = self._graphs()
        self.test_graphs = StepGraphs(device) if device.type == "cuda" else None
        self.averaged: dict[str, Tensor] = {}
        if recipe.average is not None:
            own = averageable(self.weights | self.buffers if recipe.average_buffers else self.weights)
            self.averaged = {name: value.detach().clone() for name, value in own.items()}
        self.loss_sum = torch.zeros(len(seeds), device=device)
        self.correct = torch.zeros(len(seeds), dtype=torch.int64, device=device)
        self.finite = torch.zeros_like(self.correct)

    def batches(self, at_once: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented, normalized batches, `at_once` at a time, each network's in its own order.

        Images (S, at_once * B, 1, 28, 28) float32 and their labels.
        """
        n = len(self.data.train_labels)
        order = torch.stack([torch.randperm(n, generator=generator) for generator in self.orders])
        order = order[:, : self.images_per_epoch].to(self.data.train_images.device)
        return in_order(self.data, order, self.recipe, self.augmentations, at_once)

    def rates(self) -> Tensor:
        """The learning rates of the steps of this epoch (steps,); (steps, S) where each network has its own."""
        own = isinstance(self.recipe.schedule, ReduceLROnPlateau)
        each = range(len(self.seeds) if own else 1)
        rates = [[self.rate_of(step, network) for network in each] for step in range(self.steps_per_epoch)]
        all_rates = torch.tensor(rates, device=self.taken.device)
        return all_rates if own else all_rates[:, 0]

    def _graphs(self) -> StepGraphs | None:
        recorded = self.taken.is_cuda and recordable(self.recipe, self.weights.values())
        return StepGraphs(self.taken.device) if recorded else None

    def train_steps(self, images: Tensor, labels: Tensor, rates: Tensor) -> None:
        """A training step for each of some batches that lie one after the other, and for its rate."""
        batches = (one.split(self.recipe.batch_size, dim=1) for one in (images, labels))
        for batch, its_labels, rate in zip(*batches, rates, strict=True):
            self.train_step(batch, its_labels, rate)

    def train_step(self, images: Tensor, labels: Tensor, rate: Tensor) -> None:
        """One step of gradient descent of every network on its batch; adds to `loss_sum`, `finite` and `correct`.

        The rate is one for all of them, or (S,).
        """
        self.masks.begin()
        self.optimizer.zero_grad(set_to_none=True)  # so that a graph allocates the next in its own memory
        log_probabilities = self.forward(self.weights, self.buffers, images)
        flat = self.loss(images, log_probabilities.flatten(0, 1), labels.flatten(), reduction="none")
        losses = flat.view_as(labels).mean(1)
        if self.recipe.l1 > 0:
            losses = losses + self.recipe.l1 * l1_of_each(self.weights.values())
        with foreign("its backward pass"):
            losses.sum().backward()
        clip_each(self.weights.values(), self.recipe)
        self._step(rate)
        self._update_average()
        self.loss_sum += losses.detach()
        self.finite += self.loss_sum.isfinite()  # a sum that is not finite stays so
        self.correct += (log_probabilities.detach().argmax(2) == labels).sum(1)
        self.steps += 1
        self.taken += 1

    def forward(self, weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        """Log-probabilities (S, B, 10) of images (S, B, 1, 28, 28), or of images (B, 1, 28, 28) for all networks."""

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            log_probabilities: Tensor = functional_call(self.network, (weights, buffers), (images,))
            return log_probabilities

        with foreign_call("its forward pass"):
            log_probabilities: Tensor = torch.vmap(one, in_dims=(0, 0, 0 if images.dim() == 5 else None))(
                weights, buffers, images
            )
        return log_probabilities

    @torch.no_grad()
    def _step(self, rate: Tensor) -> None:
        momentum = self.recipe.cycled_momentum(self.epoch, self.steps - self.began, self.steps_per_epoch)
        set_momentum(self.optimizer, momentum)
        if rate.dim() == 0:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            return
        before = {name: value.clone() for name, value in self.weights.items()}
        self.optimizer.step()
        # Whatever the optimizer, the change of a weight is proportional to the rate.
        factors = rate / self.recipe.lr
        for name, weight in self.weights.items():
            weight.copy_(before[name].lerp(weight, per_network(factors, weight).to(weight.dtype)))

    def _update_average(self) -> None:
        if self.recipe.average is not None:
            follow(self.averaged, self.weights | self.buffers, 1 - self.recipe.decay(self.steps))

    def launches(self, at_once: int) -> Iterator[int]:
        """Launch the steps of an epoch, `at_once` at a time; after each launch, how many there were so far.

        On a GPU a launch is, after the first few, the replay of a CUDA graph.
        """
        self.network.train()
        self.loss_sum.zero_()
        self.correct.zero_()
        self.finite.zero_()
        self.began = self.steps
        launch = self.train_steps if self.graphs is None else partial(self.graphs.launch, self.train_steps)
        for (images, labels), rates in zip(self.batches(at_once), self.rates().split(at_once), strict=True):
            before = self.steps
            launch(images, labels, rates)
            self.steps = before + len(rates)  # which a replay does not count
            yield self.steps - self.began

    def train_epoch(self) -> list[tuple[float, int]]:
        """Train an epoch: for each network the mean loss over batches and the number of correct predictions."""
        self.launch_epoch()
        taken, launched = (int(steps) - self.began for steps in (self.taken, self.steps))
        if taken != launched:  # an empty graph is replayed without an error
            where = self.taken.device
            raise HarnessError(
                f"{where} took {taken} of {launched} training steps that were launched; use --device cpu"
            )
        losses = (self.loss_sum / self.steps_per_epoch).tolist()
        return list(zip(losses, self.correct.tolist(), strict=True))

    @torch.inference_mode()
    def evaluate(self, images: Tensor, labels: Tensor) -> list[Evaluation]:
        """For each network in evaluation mode the images that it misses, and its mean loss over all of them."""
        self.network.eval()
        predict = self._predict if self.test_graphs is None else partial(self.test_graphs.launch, self._predict)
        return evaluations(torch.cat([predict(batch) for batch in images.split(BATCH)], dim=1), labels)

    def _predict(self, images: Tensor) -> Tensor:
        """Log-probabilities (S, B, 10) of images (B, 28, 28) uint8."""
        weights, buffers = (
            {name: self.averaged.get(name, value) for name, value in own.items()}
            for own in (self.weights, self.buffers)
        )
        return self.forward(weights, buffers, normalized(images, self.recipe.normalize))

    def restore(self, state: State, epoch: int) -> None:
        """Resume from the state after `epoch` epochs and record new graphs; ValueError if it is of other networks."""
        super().restore(state, epoch)
        self.graphs = self._graphs()

    def _live(self) -> dict[str, Tensor]:
        parts = {"model": self.weights | self.buffers, "average": self.averaged}
        live = {f"{part}.{name}": value.detach() for part, own in parts.items() for name, value in own.items()}
        return live | self.memory()

    def _generators(self) -> Generators:
        return {"order": self.orders, "augmentation": self.augmentations, "dropout": self.masks.generators}


def recordable(recipe: Recipe, weights: Iterable[Tensor]) -> bool:
    """Whether training steps can be a CUDA graph, in which all that Python computes is a constant."""
    cycled = recipe.cycled_momentum(0, 0, 1) is not None
    # SGD of complex weights is not fused, and reads the rate on the host.
    reads_rate = recipe.optimizer is None and any(weight.is_complex() for weight in weights)
    return not (cycled or recipe.average_warmup or reads_rate)


def ensemble_trainer(step: type[Step], seeds: Sequence[int], data: MNIST) -> EnsembleTrainer:
    """The trainer of the seeds, before their first epoch. Seeds torch's global generator for each."""
    device = data.train_images.device
    models = []
    for seed in seeds:
        with seeded(seed):
            network = step.network()
        models.append(classifier(step, network.to(device), device))
    return EnsembleTrainer(models, step.recipe, with_validation_split(step.recipe, data), seeds)
