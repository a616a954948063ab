"""From uint8 images to augmented, normalized batches: the one place where the transforms of a recipe are applied."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.data import MNIST
from harness.recipe import (
    CenterCrop,
    ColorJitter,
    GaussianBlur,
    Normalize,
    RandomAffine,
    RandomApply,
    RandomCrop,
    RandomDistortion,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    Recipe,
    Resize,
)
from harness.recipe.sequence import transforms
from harness.recipe.transform import Size, Transform
from harness.training.augmentation.blur import Blur
from harness.training.augmentation.crop import Center, Crop
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.erasing import Erasing
from harness.training.augmentation.jitter import Jitter
from harness.training.augmentation.perspective import Perspective
from harness.training.augmentation.resize import Resized
from harness.training.augmentation.resized_crop import ResizedCrop
from harness.training.augmentation.warp import Warp


class Change(Protocol):
    """What a transform drew for N images, and how it changes them."""

    @classmethod
    def draw(cls, transform: Any, size: Size, draws: Draws) -> "Change":
        """What a transform changes in images of that size."""

    def apply(self, images: Tensor) -> Tensor:
        """The images changed: uint8 (N, H, W), or normalized float32 (N, 1, H, W)."""


CHANGES: Mapping[type[Transform], type[Change]] = {
    RandomRotation: Warp,
    RandomAffine: Warp,
    RandomDistortion: Warp,
    RandomPerspective: Perspective,
    RandomCrop: Crop,
    CenterCrop: Center,
    RandomResizedCrop: ResizedCrop,
    Resize: Resized,
    ColorJitter: Jitter,
    GaussianBlur: Blur,
    RandomErasing: Erasing,
}


AHEAD = {"cpu": 1, "cuda": 64}
"""Batches that are prepared at once: on a GPU many, since a launch costs more than what it does for one."""
TOGETHER = 2**16
"""Images up to which networks have theirs augmented together: some transforms take 0.1 MB of memory for each."""


def in_order(
    data: MNIST, order: Tensor, recipe: Recipe, generators: Sequence[torch.Generator], at_once: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of S networks whose orders of the training images are the rows of `order` (S, N), `at_once` a time.

    Images (S, at_once * B, 1, H, W) float32, augmented and normalized, and their labels; the last may be fewer.
    """
    size = at_once * recipe.batch_size
    for index in order.split(math.ceil(AHEAD[order.device.type] / at_once) * size, dim=1):
        images = prepare(data.train_images[index.flatten()], recipe, generators).unflatten(0, index.shape)
        yield from zip(images.split(size, dim=1), data.train_labels[index].split(size, dim=1), strict=True)


def prepare(images: Tensor, recipe: Recipe, generators: Sequence[torch.Generator]) -> Tensor:
    """Augment and normalize uint8 images (N, H, W) as the recipe says: float32 (N, 1, H, W).

    The images are those of one network or several, in equal parts, each with the generator of its augmentation.
    """
    n = len(images) // len(generators)
    if len(generators) > 1 and len(images) > TOGETHER:
        each = zip(images.split(n), generators, strict=True)
        return torch.cat([prepare(own, recipe, [generator]) for own, generator in each])
    draws = Draws(generators, n)
    sequence = transforms(recipe.augmentation)
    images = changed(images, [one for one in sequence if one.on == "image"], draws)
    tensors = normalized(images, recipe.normalize)
    return changed(tensors, [one for one in sequence if one.on == "tensor"], draws)


def changed(images: Tensor, sequence: Iterable[Transform], draws: Draws) -> Tensor:
    """Images after the transforms, one after the other."""
    for transform in sequence:
        if isinstance(transform, RandomApply):
            applied = draws.happens(transform.p).view(-1, *[1] * (images.dim() - 1))
            images = changed(images, transform.transforms, draws).where(applied, images)
            continue
        size = images.shape[-2], images.shape[-1]
        images = CHANGES[type(transform)].draw(transform, size, draws).apply(images)
    return images


def normalized(images: Tensor, normalize: Normalize) -> Tensor:
    """Normalize uint8 images (N, H, W) to float32 (N, 1, H, W), with torchvision's order of operations."""
    return images.unsqueeze(1).to(torch.float32).div_(255).sub_(normalize.mean).div_(normalize.std)
