"""A training in plain NumPy, in double precision: a dropout and one linear layer, whose gradient is written by hand.

It shares nothing with `harness.training` but the recipe and the numbers that the generators draw.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torchvision.transforms import functional as vision
from torchvision.transforms.functional import to_pil_image

from harness.recipe import OneCycle, RandomAffine, RandomDistortion, Recipe, StepLR

Array = NDArray[np.float64]


@dataclass
class Training:
    """The result of a training."""

    weights: Array
    """(10, 785): those of the layer and, in the last column, its biases; their average if the recipe asks for one."""
    losses: list[float]
    """The mean over batches of each epoch."""
    hits: list[int]
    """The correct predictions of each epoch, before each step."""


def trained(weights: Array, data: Any, recipe: Recipe, rate: float, seed: int, teacher: Array | None) -> Training:
    """Train weights (10, 785) on images (N, 28, 28) uint8; `rate` is that of the dropout, `teacher` other weights."""
    images, labels = data.train_images.numpy(), data.train_labels.numpy()
    order, augmentation, dropout = (torch.Generator().manual_seed(seed) for _ in range(3))
    velocity, average = np.zeros_like(weights), weights.copy()
    losses, hits, steps = [], [], math.ceil(len(labels) / recipe.batch_size)
    for epoch in range(recipe.epochs):
        shuffled = torch.randperm(len(labels), generator=order).numpy()
        losses.append(0.0)
        hits.append(0)
        for step in range(steps):
            index = shuffled[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            shown = with_ones(augmented(images[index], recipe, augmentation))
            seen = with_ones(shown[:, :-1] * mask((len(index), shown.shape[1] - 1), rate, dropout))
            truth = np.eye(10)[labels[index]]
            predicted = softmax(seen @ weights.T)
            loss, slope = cross_entropy(truth, predicted), predicted - truth
            if recipe.teacher is not None and teacher is not None:
                share, temperature = recipe.teacher.share, recipe.teacher.temperature
                p, q = softmax(shown @ teacher.T / temperature), softmax(seen @ weights.T / temperature)
                divergence = cross_entropy(p, q) - cross_entropy(p, p)
                loss = (1 - share) * loss + share * temperature**2 * divergence
                slope = (1 - share) * slope + share * temperature * (q - p)
            losses[-1] += loss / steps
            hits[-1] += int((predicted.argmax(1) == labels[index]).sum())
            gradient = slope.T @ seen / len(index) + recipe.weight_decay * weights
            velocity = recipe.momentum * velocity + gradient
            move = gradient + recipe.momentum * velocity if recipe.nesterov else velocity
            weights = weights - rate_of(recipe, epoch, epoch * steps + step, recipe.epochs * steps) * move
            if recipe.average is not None:
                n = epoch * steps + step + 1
                decay = min(recipe.average, (1 + n) / (10 + n)) if recipe.average_warmup else recipe.average
                average = weights if n == 1 else decay * average + (1 - decay) * weights
    return Training(weights if recipe.average is None else average, losses, hits)


def tested(weights: Array, data: Any, recipe: Recipe) -> tuple[list[tuple[int, int, int]], float]:
    """Index, label and prediction of the images that are missed, and the mean loss over all."""
    labels = data.test_labels.numpy()
    predicted = softmax(with_ones(normalized(data.test_images.numpy(), recipe)) @ weights.T)
    pairs = enumerate(zip(labels.tolist(), predicted.argmax(1).tolist(), strict=True))
    missed = [(index, label, guess) for index, (label, guess) in pairs if label != guess]
    return missed, cross_entropy(np.eye(10)[labels], predicted)


def rate_of(recipe: Recipe, epoch: int, step: int, steps: int) -> float:
    """The learning rate in an epoch, and in a step of all."""
    match recipe.schedule:
        case StepLR(size, gamma):
            return recipe.lr * gamma ** (epoch // size)
        case OneCycle(warmup, start, final):
            peak, low, last = warmup * steps - 1, recipe.lr / start, recipe.lr / start / final
            if step <= peak:
                return low + (recipe.lr - low) * (1 - math.cos(math.pi * step / peak)) / 2
            return last + (recipe.lr - last) * (1 + math.cos(math.pi * (step - peak) / (steps - 1 - peak))) / 2
    return recipe.lr


def softmax(logits: Array) -> Array:
    """The probabilities of each row."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def cross_entropy(truth: Array, predicted: Array) -> float:
    """The mean over rows."""
    return float(-(truth * np.log(predicted)).sum(1).mean())


def with_ones(rows: Array) -> Array:
    """The rows, flat, and a one behind each, by which the bias is multiplied."""
    return np.hstack([rows.reshape(len(rows), -1), np.ones((len(rows), 1))])


def normalized(images: NDArray[np.uint8], recipe: Recipe) -> Array:
    """Pixels in units of the recipe."""
    return np.asarray((images / 255 - recipe.normalize.mean) / recipe.normalize.std)


def augmented(images: NDArray[np.uint8], recipe: Recipe, generator: torch.Generator) -> Array:
    """A batch as the recipe shows it."""
    transform = recipe.augmentation
    if transform is None:
        return normalized(images, recipe)
    assert isinstance(transform, RandomAffine)
    drawn = list(draws(transform, len(images), generator))
    if transform.on == "image":
        return normalized(np.stack([of_pil(*pair, transform) for pair in zip(images, drawn, strict=True)]), recipe)
    floats = normalized(images, recipe)
    return np.stack([warped(*pair, transform) for pair in zip(floats, drawn, strict=True)])


@dataclass
class Draw:
    """What is drawn for one image: degrees, pixels, a factor, columns per row, and pixels at 4 x 4 points."""

    angle: float
    shift: Array
    scale: float
    shear: float
    displacement: Array


def draws(transform: RandomAffine, n: int, generator: torch.Generator) -> Iterator[Draw]:
    """One kind of number after the other, each for all images."""
    double = {"dtype": torch.float64, "generator": generator}

    def uniform(*shape: int) -> Array:
        return np.asarray(2 * torch.rand(n, *shape, **double).numpy() - 1)  # type: ignore[call-overload]

    low, high = transform.scale
    angle = transform.degrees * uniform()
    shift = np.rint(28 * transform.translate * uniform(2))
    scale = (low + high) / 2 + (high - low) / 2 * uniform()
    shear, displacement = np.zeros(n), np.zeros((n, 2, 4, 4))
    if isinstance(transform, RandomDistortion):
        shear = transform.shear * uniform()
        displacement = transform.elastic * torch.randn(n, 2, 4, 4, **double).numpy()  # type: ignore[call-overload]
    for k in range(n):
        yield Draw(angle[k], shift[k], scale[k], shear[k], displacement[k])


def of_pil(image: NDArray[np.uint8], draw: Draw, transform: RandomAffine) -> NDArray[np.uint8]:
    """By torchvision's transform of a PIL image, which turns clockwise."""
    shift = [int(pixels) for pixels in draw.shift]
    moved = vision.affine(to_pil_image(image), -draw.angle, shift, draw.scale, [0.0, 0.0], fill=transform.fill)
    return np.asarray(moved)


def warped(image: Array, draw: Draw, transform: RandomAffine) -> Array:
    """Each pixel of the result by the place in the image (H, W) that it comes from."""
    height, width = image.shape
    row, column = np.mgrid[:height, :width].astype(float)
    x, y = column - (width - 1) / 2 - draw.shift[0], row - (height - 1) / 2 - draw.shift[1]
    assert isinstance(transform.fill, float)
    cos, sin = (f(math.radians(draw.angle)) / draw.scale for f in (math.cos, math.sin))
    smooth = F.interpolate(torch.tensor(draw.displacement)[None], (height, width), mode="bicubic")[0].numpy()
    from_column = cos * x - sin * y + draw.shear * y + (width - 1) / 2 + smooth[0]
    from_row = sin * x + cos * y + (height - 1) / 2 + smooth[1]
    if transform.interpolation == "nearest":
        return pixels(image, np.rint(from_row), np.rint(from_column), transform.fill)
    above, left = np.floor(from_row), np.floor(from_column)
    down, right = from_row - above, from_column - left
    return np.asarray(
        sum(
            pixels(image, above + i, left + j, transform.fill) * (down if i else 1 - down) * (right if j else 1 - right)
            for i in (0, 1)
            for j in (0, 1)
        )
    )


def pixels(image: Array, row: Array, column: Array, fill: float) -> Array:
    """The pixels in these rows and columns, and the fill for those that are none."""
    height, width = image.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    found = image[np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)]
    return np.asarray(np.where(inside, found, fill))


def mask(shape: tuple[int, int], rate: float, generator: torch.Generator) -> Array:
    """The mask of a dropout, element by element; from bytes and gaps as `harness.training.dropout` says."""
    n = shape[0] * shape[1]
    if rate == 0:
        return np.ones(shape)
    kept = np.ones(n)
    below = int(256 * rate) if rate >= 1 / 32 else 0
    if below:
        words = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
        kept[words.numpy().view(np.uint8)[:n] < below] = 0
    rest = (rate - below / 256) / (1 - below / 256)
    if rest > 0:
        expected = n * rest
        gaps = torch.empty(math.ceil(expected + 6 * math.sqrt(expected) + 16), dtype=torch.float64)
        place = -1
        for gap in gaps.geometric_(rest, generator=generator).tolist():
            place += int(gap)
            if place < n:
                kept[place] = 0
        assert place >= n, "a second draw would have been needed"
    return kept.reshape(shape) / (1 - rate)
