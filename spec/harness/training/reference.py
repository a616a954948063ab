"""The reference for the trainers: a DataLoader, PIL images, torchvision transforms, eager autograd.

Written as in a notebook. It shares nothing with `harness.training` but the recipe.
"""

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from harness.data import MNIST
from harness.recipe import Recipe

Transform = Callable[[Image.Image, int], Image.Image]


class Digits(Dataset[tuple[Tensor, int]]):
    """PIL images, an optional transform that is given the index, then ToTensor and Normalize."""

    def __init__(self, images: Tensor, labels: Tensor, recipe: Recipe, transform: Transform | None) -> None:
        self.images, self.labels, self.transform = images, labels, transform
        normalize = transforms.Normalize((recipe.normalize.mean,), (recipe.normalize.std,))
        self.finish = transforms.Compose([transforms.ToTensor(), normalize])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index].numpy())
        if self.transform is not None:
            image = self.transform(image, index)
        return self.finish(image), int(self.labels[index])


def train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: MNIST,
    recipe: Recipe,
    order: Sequence[int],
    transform: Transform | None = None,
    scheduler: LRScheduler | None = None,
    after_step: Callable[[nn.Module], None] | None = None,
) -> tuple[list[float], float]:
    """The loss of each batch, and the running training accuracy in percent."""
    digits = Digits(data.train_images, data.train_labels, recipe, transform)
    loader = DataLoader(digits, batch_size=recipe.batch_size, sampler=order)
    model.train()
    losses, correct = [], 0
    for images, labels in loader:
        optimizer.zero_grad()
        output = model(images)
        loss = F.nll_loss(output, labels)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        if after_step is not None:
            after_step(model)
        losses.append(loss.item())
        correct += int((output.argmax(dim=1) == labels).sum())
    return losses, 100 * correct / len(digits)


@torch.no_grad()
def accuracy_of(model: nn.Module, data: MNIST, recipe: Recipe) -> float:
    """Accuracy in percent on the test images, in evaluation mode."""
    model.eval()
    loader = DataLoader(Digits(data.test_images, data.test_labels, recipe, None), batch_size=recipe.batch_size)
    correct = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in loader)
    return 100 * correct / len(data.test_labels)


@torch.no_grad()
def loss_of(model: nn.Module, data: MNIST, recipe: Recipe) -> float:
    """The mean negative log-likelihood of the test images, one image at a time, in evaluation mode."""
    model.eval()
    digits = Digits(data.test_images, data.test_labels, recipe, None)
    likelihoods = [model(image[None])[0, label].item() for image, label in digits]  # type: ignore[attr-defined]
    return float(-sum(likelihoods) / len(likelihoods))
