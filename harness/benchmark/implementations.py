"""The implementations of one training, to be timed side by side: a notebook's, and the trainers of the harness."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from harness.data import MNIST
from harness.machine import default_precision
from harness.recipe import RandomAffine, RandomApply, RandomDistortion, Recipe
from harness.recipe.sequence import transforms as sequence
from harness.recipe.transform import Transform
from harness.run import EAGER, NATIVE
from harness.step import Step
from harness.training.choice import choose
from harness.training.evaluation import percent
from harness.training.network import classifier
from harness.training.train import trainer_of
from harness.training.trainer import Trainer, with_validation_split

WARM_UP = 10
"""Training steps before the first that is timed."""


class Implementation(Protocol):
    """One implementation of the training of a step."""

    def steps(self) -> Iterator[None]:
        """Train without end: each `next` prepares a batch and takes a training step."""

    def test(self) -> float:
        """Accuracy in percent on the test images."""


def advance(steps: Iterator[None], count: int) -> None:
    """Take `count` training steps."""
    for _ in range(count):
        next(steps)


class _Digits(Dataset[tuple[Tensor, int]]):
    # As torchvision's MNIST: an image becomes a PIL image and is then transformed.

    def __init__(self, images: Tensor, labels: Tensor, transform: transforms.Compose) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].numpy())), int(self.labels[index])


def transforms_of(recipe: Recipe, *, train: bool) -> transforms.Compose:
    """The transforms of a recipe, composed as in a notebook."""
    mean, std = recipe.normalize.mean, recipe.normalize.std
    chain: list[nn.Module] = [transforms.ToTensor(), transforms.Normalize((mean,), (std,))]
    for transform in reversed(sequence(recipe.augmentation)) if train else ():
        chain.insert(0 if transform.on == "image" else 2, _published(transform))
    return transforms.Compose(chain)


def _published(transform: Transform) -> nn.Module:
    """The transform of torchvision with that name and these arguments."""
    given = {field.name: getattr(transform, field.name) for field in fields(transform) if field.name != "on"}
    if "interpolation" in given:
        given["interpolation"] = transforms.InterpolationMode(given["interpolation"])
    if isinstance(transform, RandomAffine):
        given["translate"] = transform.reach
    if isinstance(transform, RandomApply):
        given["transforms"] = [_published(one) for one in transform.transforms]
    named: nn.Module = getattr(transforms, type(transform).__name__)(**given)
    return named


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of torch with that name and these arguments, and its own defaults for how it computes."""
    name, given = "SGD", {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
    if recipe.optimizer is not None:
        name, given = type(recipe.optimizer).__name__, asdict(recipe.optimizer)
    made: torch.optim.Optimizer = getattr(torch.optim, name)(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, **given
    )
    return made


class Notebook:
    """A DataLoader over PIL images, torchvision's transforms, and a loop that reads the loss after every step."""

    def __init__(self, step: type[Step], data: MNIST, device: torch.device) -> None:
        self.recipe, self.device = step.recipe, device
        self.model = classifier(step, step.network().to(device), device)
        self.optimizer = _optimizer(step.recipe, self.model)
        cuda = device.type == "cuda"
        data = with_validation_split(step.recipe, data.to("cpu"))

        def loader(images: Tensor, labels: Tensor, train: bool) -> DataLoader[tuple[Tensor, int]]:
            digits = _Digits(images, labels, transforms_of(step.recipe, train=train))
            return DataLoader(
                digits,
                step.recipe.batch_size,
                shuffle=train,
                # For a GPU, notebooks use workers; on a CPU they would take cores from the training.
                num_workers=4 if cuda else 0,
                pin_memory=cuda,
                drop_last=train and step.recipe.drop_last,
            )

        self.train_loader = loader(data.train_images, data.train_labels, True)
        self.test_loader = loader(data.test_images, data.test_labels, False)

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            for images, labels in self.train_loader:
                with default_precision():
                    self._step(images, labels)
                yield

    def _step(self, images: Tensor, labels: Tensor) -> None:
        self.model.train()
        images, labels = images.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        output = self.model(images)
        loss = F.nll_loss(output, labels)
        loss.backward()
        self.optimizer.step()
        loss.item()
        output.argmax(1).eq(labels).sum().item()

    @torch.no_grad()
    @default_precision()
    def test(self) -> float:
        """Accuracy in percent on the test images."""
        self.model.eval()
        correct = 0
        for images, labels in self.test_loader:
            images, labels = images.to(self.device), labels.to(self.device)
            correct += int(self.model(images).argmax(1).eq(labels).sum().item())
        return percent(correct, len(self.test_loader.dataset))  # type: ignore[arg-type]


class Stepwise:
    """A trainer of the harness, one step at a time.

    A call of the native trainer takes one step here and fifty in `harness train`, which is no faster; and a launch on a
    GPU one and not eight.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            for _ in self.trainer.launches(1):
                yield

    def test(self) -> float:
        """Accuracy in percent on the test images."""
        n = len(self.trainer.data.test_labels)
        return percent(n - len(self.trainer.test()[0].errors), n)


def eager(step: type[Step], data: MNIST, device: torch.device, seeds: int = 1) -> Stepwise:
    """The eager training of the harness: a single network on a CPU, a CUDA graph of stacked ones on a GPU."""
    return Stepwise(trainer_of(step, range(seeds), data.to(device), EAGER))


def native(step: type[Step], data: MNIST, device: torch.device) -> Stepwise:
    """The training of the harness in C++, on a CPU."""
    return Stepwise(trainer_of(step, [0], data.to(device), NATIVE))


IMPLEMENTATIONS: dict[str, Callable[[type[Step], MNIST, torch.device], Implementation]] = {
    "notebook": Notebook,
    EAGER: eager,
    NATIVE: native,
}


def names(step: type[Step], device: torch.device) -> list[str]:
    """Which implementations there are of a step, slowest first: of a teacher or distortions there is no notebook."""
    ours = [EAGER, NATIVE] if choose("auto", step, device).name == NATIVE else [EAGER]
    published = step.recipe.teacher is None and not _distorts(sequence(step.recipe.augmentation))
    return ["notebook", *ours] if published else ours


def _distorts(transforms: Sequence[Transform]) -> bool:
    """Whether one of them is a distortion, which torchvision does not have."""
    return any(
        isinstance(one, RandomDistortion) or (isinstance(one, RandomApply) and _distorts(one.transforms))
        for one in transforms
    )
