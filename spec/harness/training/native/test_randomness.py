"""What the kernels draw is a function of seed, step, unit, image and place, which numpy computes too."""

import ctypes
import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import functional as vision

from harness import steps
from harness.recipe import RandomAffine, RandomDistortion, Recipe
from harness.recipe.transform import level
from harness.training.augmentation import normalized
from harness.training.augmentation.affine import Affine, Distortion
from harness.training.augmentation.warp import warp_tensor
from harness.training.native import library
from harness.training.native.trainer import NativeTrainer
from models.blocks import Conv, LogProbabilities
from spec.harness.training.native.compilers import needs_compiler
from spec.harness.training.native.eager import STILL, distance, flat, noise, shaken
from spec.harness.training.native.philox import kept, parameters

pytestmark = needs_compiler

SEED = 0xC0FFEE_0DDBA11


class Masked(nn.Module):
    """A dropout whose mask is given."""

    def __init__(self, rate: float, mask: Tensor) -> None:
        super().__init__()
        self.factor = mask.double() / (1 - rate)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps where the mask is true, scaled; else 0."""
        return maps * self.factor


@pytest.mark.parametrize("images", [5, 37])
@pytest.mark.parametrize("step", [0, 1000])
def test_dropout_has_the_masks_of_numpy(images: int, step: int) -> None:
    network = nn.Sequential(
        Conv(1, 5, 3, "bn", "relu", 0.3, stride=2),  # unit 0, 13 x 13
        nn.MaxPool2d(2),
        Conv(5, 7, 3, 0.05, "relu"),  # unit 1, 4 x 4
        nn.Dropout(0.5),  # unit 2, of its own
        nn.Conv2d(7, 10, 4),
        LogProbabilities(),
    )
    shaken(network)
    data = noise(images)
    recipe = replace(STILL, batch_size=images)
    trainer = NativeTrainer(network, recipe, data, SEED)
    assert trainer.train_steps(torch.arange(images), step) == 1
    exact = deepcopy(network).double().train()
    shapes = [("0", "3", (5, 13, 13)), ("2", "1", (7, 4, 4)), ("", "3", (7, 4, 4))]
    for unit, (parent, name, shape) in enumerate(shapes):
        layer = exact.get_submodule(parent)
        rate = float(layer.get_submodule(name).p)  # type: ignore[arg-type]
        setattr(layer, name, Masked(rate, kept(rate, (images, *shape), seed=SEED, step=step, unit=unit)))
    loss = F.nll_loss(exact(normalized(data.train_images, recipe.normalize).double()), data.train_labels)
    loss.backward()
    assert trainer.loss_sum.value == pytest.approx(loss.item(), rel=1e-6)
    gradients = flat(weight.grad for weight in exact.parameters() if weight.grad is not None)
    assert distance(trainer.network.momentum, gradients) < 1e-5


@pytest.mark.parametrize("rate", [0.01, 0.1, 1 / 3, 0.9])
def test_as_many_are_dropped_as_the_rate_says(rate: float) -> None:
    dropped = int((~kept(rate, (500, 2000), seed=1, step=2, unit=3)).sum())
    assert stats.binomtest(dropped, 1_000_000, rate).pvalue > 1e-3


def correlation(one: Tensor, other: Tensor) -> float:
    """In deviations of what independent masks have."""
    n = one.numel()
    pair = torch.stack([one.flatten(), other.flatten()]).double()
    return float(torch.corrcoef(pair)[0, 1]) * math.sqrt(n)


def test_a_mask_tells_nothing_of_another() -> None:
    shape, rate = (200, 8, 16, 16), 0.3
    mask = kept(rate, shape, seed=7, step=11, unit=1)
    others = [
        kept(rate, shape, seed=seed, step=step, unit=unit)
        for seed, step, unit in [(8, 11, 1), (7 + 2**32, 11, 1), (7, 12, 1), (7, 11, 2), (11, 7, 1)]
    ]
    assert all(abs(correlation(mask, other)) < 4.5 for other in others)
    flat_mask = mask.flatten(1)
    assert abs(correlation(flat_mask[1:], flat_mask[:-1])) < 4.5
    assert all(abs(correlation(flat_mask[:, lag:], flat_mask[:, :-lag])) < 4.5 for lag in (1, 2, 3, 4, 16, 256))


AUGMENTATIONS = {
    "image": RandomAffine(degrees=25, translate=3 / 28, scale=(0.85, 1.15), fill=9),
    "nearest": RandomAffine(degrees=25, translate=3 / 28, scale=(0.85, 1.15), on="tensor", fill=0.5),
    "bilinear": RandomAffine(
        degrees=25, translate=3 / 28, scale=(0.85, 1.15), on="tensor", interpolation="bilinear", fill=-0.4242
    ),
    "distortion": RandomDistortion(
        degrees=10, translate=0.1, scale=(0.9, 1.1), on="tensor", interpolation="bilinear", fill=-0.4242, shear=0.2,
        elastic=0.8,
    ),
}  # fmt: skip
N = 150


def augmented(transform: RandomAffine, step: int) -> tuple[Tensor, Tensor, Recipe]:
    """Images of noise, what the kernels make of them, and the recipe."""
    recipe = Recipe(lr=1, batch_size=N, epochs=1, augmentation=transform)
    images, to = noise(N).train_images, torch.full((N, 28, 28), math.nan)
    settings = library.settings_of(recipe, SEED)
    library.load().augment(ctypes.byref(settings), library.pointer_to(images), N, step, library.pointer_to(to))
    return images, to, recipe


@pytest.mark.parametrize("step", [0, 77])
def test_images_are_those_of_pil_bit_for_bit(step: int) -> None:
    transform = AUGMENTATIONS["image"]
    images, found, recipe = augmented(transform, step)
    affine = parameters(transform, N, seed=SEED, step=step)
    for k in range(N):
        # torchvision turns clockwise in `affine`
        turn, shift = -affine.angle[k].item(), [int(pixels) for pixels in affine.shift[k]]
        expected = vision.affine(
            Image.fromarray(images[k].numpy()), turn, shift, affine.scale[k].item(), [0.0, 0.0], fill=9
        )
        assert torch.equal(found[k], normalized(torch.tensor(np.asarray(expected))[None], recipe.normalize)[0, 0])


def source(affine: Affine) -> Tensor:
    """Where each pixel comes from, (N, 2, 28, 28) in pixels, without displacements."""
    linear, offset = affine._inverse()
    at = torch.arange(28, dtype=torch.float64) - 13.5
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy")).flatten(1)
    return (linear @ grid + offset[:, :, None] + 13.5).view(-1, 2, 28, 28)


@pytest.mark.parametrize("step", [0, 77])
@pytest.mark.parametrize("name", ["nearest", "bilinear", "distortion"])
def test_tensors_are_those_of_grid_sample(name: str, step: int) -> None:
    transform = AUGMENTATIONS[name]
    images, found, recipe = augmented(transform, step)
    affine = parameters(transform, N, seed=SEED, step=step)
    assert isinstance(affine, Distortion) == (name == "distortion")
    floats = normalized(images, recipe.normalize)
    expected = warp_tensor(floats, affine, level(transform.fill), transform.interpolation)[:, 0]
    if name == "nearest":
        away = (source(affine) % 1 - 0.5).abs().amin(1) > 1e-4  # from the middle between two pixels
        assert away.float().mean() > 0.99
        found, expected = found[away], expected[away]
    # float32 coordinates of grid_sample are exact to some millionths of a pixel, and grey levels differ by up to 3.2
    assert (found - expected).abs().max() < 1e-4


def test_augmentations_of_images_steps_and_seeds_are_independent() -> None:
    transform = AUGMENTATIONS["distortion"]
    one = parameters(transform, 20_000, seed=1, step=2)
    assert isinstance(one, Distortion)
    columns = [one.angle, one.scale, one.shift[:, 0], one.shift[:, 1], one.shear, *one.displacement.flatten(1).T]
    for seed, step in [(2, 2), (1, 3), (1 + 2**32, 2)]:
        other = parameters(transform, 20_000, seed=seed, step=step)
        columns += [other.angle, other.scale, other.shift[:, 0]]
    columns.append(one.angle.roll(1))
    table = torch.stack(columns)
    assert torch.corrcoef(table).fill_diagonal_(0).abs().max() < 5 / math.sqrt(20_000)
    assert stats.kstest(one.angle, "uniform", (-10, 20)).pvalue > 1e-3
    assert stats.kstest(one.displacement.flatten()[:100_000] / 0.8, "norm").pvalue > 1e-3
    assert one.shift.unique().tolist() == [-3, -2, -1, 0, 1, 2, 3]


def test_training_augments_the_images_of_a_step_by_their_place_in_the_batch() -> None:
    """The step of the kernels on augmented images is that on the images that `augment` shows."""
    network = shaken(nn.Sequential(nn.Conv2d(1, 10, 28), LogProbabilities()))
    _, prepared, recipe = augmented(AUGMENTATIONS["bilinear"], 5)
    data = noise(N)
    trainer = NativeTrainer(network, replace(recipe, lr=1e-30, momentum=0.0), data, SEED)
    order = torch.randperm(N)
    moved = replace(data, train_images=data.train_images[order].contiguous())
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(N)
    trainer.data = replace(moved, train_labels=data.train_labels[order].contiguous())
    assert trainer.train_steps(inverse, 5) == 1
    loss = F.nll_loss(network(prepared[:, None]), data.train_labels)
    assert trainer.loss_sum.value == pytest.approx(loss.item(), rel=1e-5)


def test_no_rate_is_next_to_the_border_of_two_numbers_of_float32() -> None:
    """Where cos or pow of another C library differs in the last place, the rate in float32 is the same."""
    recipes = {(r.lr, r.schedule, r.epochs, r.batch_size): r for r in (step.recipe for step in steps().values())}
    for recipe in recipes.values():
        n = math.ceil(60_000 / recipe.batch_size)
        rates = np.array([recipe.rate(epoch, step, n) for epoch in range(recipe.epochs) for step in range(n)])
        reach = 4 * np.spacing(rates)
        assert np.array_equal((rates - reach).astype(np.float32), (rates + reach).astype(np.float32)), recipe
