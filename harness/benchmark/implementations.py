"""Three implementations of one training, to be timed side by side: that of a notebook, eager torch, and ours."""

from collections.abc import Iterator
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from harness.data import MNIST
from harness.device import layout
from harness.recipe import Recipe
from harness.step import Step
from harness.training.augmentation import prepare
from harness.training.ensemble import EnsembleTrainer
from harness.training.evaluation import evaluate, percent
from harness.training.trainer import SingleTrainer, Trainer


class Implementation(Protocol):
    """One implementation of the training of a step."""

    def steps(self) -> Iterator[None]:
        """Train without end: each `next` prepares a batch and takes a training step."""

    def test(self) -> float:
        """Accuracy in percent on the test images."""


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
    chain = [transforms.ToTensor(), transforms.Normalize((recipe.normalize.mean,), (recipe.normalize.std,))]
    affine = recipe.augmentation
    if train and affine is not None:
        random = transforms.RandomAffine(
            affine.degrees,
            translate=(affine.translate, affine.translate),
            scale=affine.scale,
            interpolation=transforms.InterpolationMode(affine.interpolation),
            fill=affine.fill,
        )
        chain.insert(0 if affine.on == "image" else len(chain), random)
    return transforms.Compose(chain)


class Notebook:
    """A DataLoader over PIL images, torchvision's transforms, and a loop that reads the loss after every step."""

    def __init__(self, step: type[Step], data: MNIST, device: torch.device) -> None:
        self.recipe, self.device = step.recipe, device
        self.model = step.model().to(device)
        self.optimizer = _sgd(self.model, step.recipe)
        cuda = device.type == "cuda"
        data = data.to("cpu")

        def loader(images: Tensor, labels: Tensor, train: bool) -> DataLoader[tuple[Tensor, int]]:
            digits = _Digits(images, labels, transforms_of(step.recipe, train=train))
            # For a GPU, notebooks use workers; on a CPU they would take cores from the training.
            return DataLoader(
                digits, step.recipe.batch_size, shuffle=train, num_workers=4 if cuda else 0, pin_memory=cuda
            )

        self.train_loader = loader(data.train_images, data.train_labels, True)
        self.test_loader = loader(data.test_images, data.test_labels, False)

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            for images, labels in self.train_loader:
                self.model.train()
                images, labels = images.to(self.device), labels.to(self.device)
                self.optimizer.zero_grad()
                output = self.model(images)
                loss = F.nll_loss(output, labels)
                loss.backward()
                self.optimizer.step()
                loss.item()
                output.argmax(1).eq(labels).sum().item()
                yield

    @torch.no_grad()
    def test(self) -> float:
        """Accuracy in percent on the test images."""
        self.model.eval()
        correct = 0
        for images, labels in self.test_loader:
            images, labels = images.to(self.device), labels.to(self.device)
            correct += int(self.model(images).argmax(1).eq(labels).sum().item())
        return percent(correct, len(self.test_loader.dataset))  # type: ignore[arg-type]


class Eager:
    """Tensors in memory and augmentation of whole batches; otherwise torch with its defaults."""

    def __init__(self, step: type[Step], data: MNIST, device: torch.device) -> None:
        self.recipe, self.data = step.recipe, data.to(device)
        self.model = step.model().to(device)
        self.optimizer = _sgd(self.model, step.recipe)
        self.generator = torch.Generator(device).manual_seed(0)

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            order = torch.randperm(len(self.data.train_labels), device=self.data.train_labels.device)
            for index in order.split(self.recipe.batch_size):
                self.model.train()
                images = prepare(self.data.train_images[index], self.recipe, self.generator)
                self.optimizer.zero_grad()
                F.nll_loss(self.model(images), self.data.train_labels[index]).backward()
                self.optimizer.step()
                yield

    def test(self) -> float:
        """Accuracy in percent on the test images."""
        return evaluate(self.model, self.data.test_images, self.data.test_labels, self.recipe.normalize)


class Ours:
    """The training of the harness on a CPU: a `SingleTrainer` in channels-last layout."""

    def __init__(self, step: type[Step], data: MNIST, device: torch.device) -> None:
        model = step.model().to(device).to(memory_format=layout(device))
        self.trainer = SingleTrainer(model, step.recipe, data.to(device), seed=0)

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            for step, batch in enumerate(self.trainer.batches()):
                self.trainer.model.train()
                self.trainer.set_rate(step)
                self.trainer.train_step(*batch)
                yield

    def test(self) -> float:
        """Accuracy in percent on the test images."""
        return _accuracy(self.trainer)


class OursTogether:
    """The training of the harness on a GPU, with any number of seeds: an `EnsembleTrainer` and its CUDA graph."""

    def __init__(self, step: type[Step], data: MNIST, device: torch.device, seeds: int = 1) -> None:
        models = [step.model().to(device) for _ in range(seeds)]
        self.trainer = EnsembleTrainer(models, step.recipe, data.to(device), range(seeds))

    def steps(self) -> Iterator[None]:
        """Train without end, one step per `next`."""
        while True:
            for step, index in enumerate(self.trainer.batches()):
                self.trainer.network.train()
                self.trainer.set_rate(step)
                self.trainer.launch(index)
                yield

    def test(self) -> float:
        """Accuracy in percent on the test images."""
        return _accuracy(self.trainer)


def _accuracy(trainer: Trainer) -> float:
    n = len(trainer.data.test_labels)
    return percent(n - len(trainer.evaluate()[0].errors), n)


def _sgd(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def ours(step: type[Step], data: MNIST, device: torch.device) -> Implementation:
    """The implementation that the harness uses on a device."""
    return OursTogether(step, data, device) if device.type == "cuda" else Ours(step, data, device)
