"""Synthetic images: some from which a network can learn, and some from which it cannot."""

from dataclasses import replace

import torch

from harness.data.mnist import MNIST


def synthetic(n: int, seed: int = 0) -> MNIST:
    """An MNIST of n images, for training and test alike: noise with a bright square whose place is the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    images = torch.randint(0, 64, (n, 28, 28), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 4)
        image[2 + 8 * row : 9 + 8 * row, 1 + 7 * column : 7 + 7 * column] = 255
    return MNIST(images, labels, images.clone(), labels.clone())


def unteachable(n: int) -> MNIST:
    """The same images with shuffled training labels, so that there is nothing to learn."""
    data = synthetic(n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return replace(data, train_labels=data.train_labels[order])
