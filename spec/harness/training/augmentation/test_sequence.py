"""Transforms one after the other: as torchvision composes them, for each image by its own draws."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.benchmark.implementations import transforms_of
from harness.recipe import (
    CenterCrop,
    ColorJitter,
    GaussianBlur,
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
from harness.recipe.transform import Transform
from harness.training.augmentation import normalized, prepare
from spec.harness.training.augmentation.samples import noise, pil, same_distribution

N = 24
AFFINE = RandomAffine(degrees=(5, 20), translate=(0.1, 0.3), scale=(0.8, 1.2), shear=10)
PUBLISHED = (
    RandomApply(transforms=(CenterCrop(size=22),), p=0.3),
    Resize(size=(28, 28)),
    RandomRotation(degrees=(-15.0, 15.0), fill=(0,)),
)
MANY = (
    ColorJitter(brightness=0.3, contrast=0.5),
    RandomApply(transforms=(RandomPerspective(), RandomCrop(size=28, padding=4, fill=(1,))), p=0.4),
    AFFINE,
    RandomErasing(value=(-0.4,)),
)
PARTS = (
    RandomResizedCrop(28, scale=(0.6, 1.0)),
    GaussianBlur(5, sigma=(0.5, 1.5)),
    RandomRotation((-7, 7), on="tensor", fill=-0.4),
    RandomApply((RandomResizedCrop(28, interpolation="nearest", on="tensor"), GaussianBlur(3, on="tensor"))),
)
SEQUENCES: Mapping[str, tuple[Transform, ...]] = {
    "published": PUBLISHED,
    "many": MANY,
    "parts": PARTS,
    "bilinear": (RandomRotation(degrees=9, interpolation="bilinear"), RandomErasing(value="random")),
    "tensors": (
        RandomRotation(degrees=9, on="tensor"),
        RandomApply(transforms=(RandomDistortion(elastic=0.5, on="tensor"), RandomErasing(p=1.0))),
    ),
}


def recipe(*sequence: Transform) -> Recipe:
    return Recipe(lr=0.1, batch_size=64, epochs=1, augmentation=sequence)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.thorough
@pytest.mark.parametrize("sequence", [PUBLISHED, MANY], ids=["published", "many"])
def test_images_are_on_average_those_of_torchvision(sequence: tuple[Transform, ...]) -> None:
    n = 1_500
    digit = torch.zeros(28, 28, dtype=torch.uint8)
    digit[5:24, 12:16], digit[8:11, 9:20] = 200, 90
    torch.manual_seed(0)
    composed = transforms_of(recipe(*sequence), train=True)
    theirs = torch.stack([composed(pil(digit)) for _ in range(n)])
    ours = prepare(digit.expand(n, 28, 28), recipe(*sequence), [generator(0)])
    error = ((ours.var(0) + theirs.var(0)) / n).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() <= 5 * error + 1e-6).all()
    # and they lie as far from the middle one
    distances = [(images - ours.median(0).values).square().sum((1, 2, 3)) for images in (ours, theirs)]
    assert same_distribution(distances[0], distances[1].double().numpy())


@pytest.mark.parametrize("name", SEQUENCES)
def test_networks_together_have_the_images_that_each_has_alone(name: str) -> None:
    images, seeds = noise(3 * N), [3, 9, 4]
    together = prepare(images, recipe(*SEQUENCES[name]), [generator(seed) for seed in seeds])
    for seed, part, among in zip(seeds, images.chunk(3), together.chunk(3), strict=True):
        assert torch.equal(prepare(part, recipe(*SEQUENCES[name]), [generator(seed)]), among)


@pytest.mark.parametrize("name", SEQUENCES)
def test_an_image_depends_on_no_other(name: str) -> None:
    images, others = noise(N), noise(N).flip(0)
    others[5] = images[5]
    one, other = (prepare(batch, recipe(*SEQUENCES[name]), [generator(3)]) for batch in (images, others))
    assert torch.equal(one[5], other[5])
    assert not torch.equal(one[6], other[6])


class Operations(TorchDispatchMode):
    """Notes the operations of torch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", SEQUENCES)
def test_no_value_is_read_by_the_host_or_copied_from_it(name: str) -> None:
    """So that a CUDA graph can record the preparation of a batch."""
    images, how = noise(N), recipe(*SEQUENCES[name])
    with Operations() as operations:
        prepare(images, how, [generator(0)])
    assert "gather" in operations.names or "grid_sampler_2d" in operations.names
    assert not operations.names & {"_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "item", "unique"}


def test_what_is_applied_is_applied_to_as_many_images_as_asked_for() -> None:
    images = torch.full((5_000, 28, 28), 100, dtype=torch.uint8)
    darker = ColorJitter(brightness=(0.5, 0.5))
    how = recipe(RandomApply(transforms=(darker, darker), p=0.2))
    prepared = prepare(images, how, [generator(0)])
    expected = [normalized(torch.full((1, 28, 28), grey, dtype=torch.uint8), how.normalize) for grey in (100, 25)]
    untouched, twice = ((prepared == one).flatten(1).all(1) for one in expected)
    assert (untouched ^ twice).all()
    assert twice.double().mean() == pytest.approx(0.2, abs=0.026)  # four and a half standard errors


def test_a_resize_that_follows_leaves_alone_the_images_that_were_not_cropped() -> None:
    images = noise(N)
    cropped = RandomApply(transforms=(CenterCrop(size=22),), p=0.5)
    apart = recipe(cropped, Resize(size=28))
    inside = recipe(RandomApply(transforms=(CenterCrop(size=22), Resize(size=28)), p=0.5))
    one, other = (prepare(images, how, [generator(1)]) for how in (apart, inside))
    assert torch.equal(one, other)
    same: Tensor = (one == normalized(images, apart.normalize)).flatten(1).all(1)
    assert 4 < same.sum() < 20
