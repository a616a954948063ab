"""Every feature of a recipe gives the numbers of a training in plain NumPy, to nine digits."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import Recipe, StepSpec
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.recipe import Normalize, OneCycle, RandomAffine, RandomDistortion, StepLR, Teacher
from harness.training import losses
from harness.training import trainer as trainers
from harness.training.augmentation import normalized
from harness.training.train import trainer_of
from spec.harness.training import plain

SEED = 3
PLAIN = Recipe(lr=0.05, batch_size=32, epochs=2)
AFFINE = RandomAffine(degrees=20, translate=0.1, scale=(0.8, 1.3))
DISTORTION = RandomDistortion(
    degrees=10,
    translate=0.1,
    scale=(0.9, 1.2),
    on="tensor",
    interpolation="bilinear",
    fill=-0.5,
    shear=0.2,
    elastic=0.8,
)
RECIPES = {
    "plain": PLAIN,
    "batches that divide the images": replace(PLAIN, batch_size=35),
    "one batch, larger than the images": replace(PLAIN, batch_size=1000),
    "one image a batch": replace(PLAIN, batch_size=1, lr=0.001),
    "no momentum": replace(PLAIN, momentum=0.0),
    "nesterov": replace(PLAIN, momentum=0.8, nesterov=True),
    "weight decay": replace(PLAIN, weight_decay=0.01),
    "steps": replace(PLAIN, epochs=5, schedule=StepLR(2, 0.3)),
    "one cycle": replace(PLAIN, schedule=OneCycle()),
    "another cycle": replace(PLAIN, schedule=OneCycle(0.5, 10, 100)),
    "average": replace(PLAIN, average=0.7),
    "average whose decay rises": replace(PLAIN, average=0.4, average_warmup=True),
    "normalization": replace(PLAIN, normalize=Normalize(0.4, 0.2)),
    "affine, of images": replace(PLAIN, augmentation=AFFINE),
    "affine, of images, filled": replace(PLAIN, augmentation=replace(AFFINE, fill=77)),
    "affine, nearest": replace(PLAIN, augmentation=replace(AFFINE, on="tensor", fill=0.6)),
    "affine, bilinear": replace(PLAIN, augmentation=replace(AFFINE, on="tensor", interpolation="bilinear", fill=-0.4)),
    "rotation alone": replace(PLAIN, augmentation=RandomAffine(degrees=7, on="tensor", fill=1.0)),
    "distortion": replace(PLAIN, augmentation=DISTORTION),
    "distortion, nearest": replace(PLAIN, augmentation=replace(DISTORTION, interpolation="nearest", fill=0.0)),
    "teacher": replace(PLAIN, teacher=Teacher("a/b", "0" * 16, share=0.6, temperature=3.0)),
    "teacher, by default": replace(PLAIN, teacher=Teacher("a/b", "0" * 16)),
    "everything": replace(
        PLAIN,
        nesterov=True,
        weight_decay=1e-3,
        schedule=OneCycle(),
        average=0.9,
        augmentation=DISTORTION,
        teacher=Teacher("a/b", "0" * 16),
    ),
}
DROPOUTS = [0.02, 1 / 32, 0.05, 0.25, 0.3, 0.9]


class Linear(nn.Sequential):
    """One layer."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(nn.Flatten(), nn.Dropout(dropout), nn.Linear(784, 10), nn.LogSoftmax(1))


def weights_of(network: nn.Module) -> plain.Array:
    """Weights and biases (10, 785)."""
    return np.hstack([value.detach().numpy().reshape(10, -1) for value in network.state_dict().values()])


@pytest.fixture(scope="module")
def data() -> MNIST:
    """70 images: two batches of 32 and one of 6. The test images are others."""
    others = synthetic(60, seed=1)
    return replace(synthetic(70), test_images=others.test_images, test_labels=others.test_labels)


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(8)
        return Linear().double().eval()


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch, teacher: nn.Module) -> Iterator[None]:
    """Double precision from the pixels on, where a training has single; the weights of the teacher are those above."""

    def in_double(images: Tensor, normalize: Normalize) -> Tensor:
        return (images[:, None].double() / 255 - normalize.mean) / normalize.std

    for name, module in list(sys.modules.items()):  # wherever the name was imported
        if name.startswith("harness.training") and getattr(module, "normalized", None) is normalized:
            monkeypatch.setattr(module, "normalized", in_double)
    monkeypatch.setattr(losses, "teacher_network", lambda _: teacher)
    monkeypatch.setattr(trainers, "check_teacher", lambda _: None)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_single_precision_is_that_of_numpy() -> None:
    """Which nothing else here asks for."""
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    pixels = np.arange(256, dtype=np.float32) / np.float32(255)
    expected = (pixels - np.float32(0.1307)) / np.float32(0.3081)
    assert np.array_equal(normalized(images, Normalize()).numpy(), expected.reshape(1, 1, 16, 16))


@pytest.mark.thorough
@pytest.mark.parametrize("seeds", [[SEED], [5, SEED]], ids=["alone", "together"])
@pytest.mark.parametrize(
    ("recipe", "dropout"),
    [
        *((recipe, 0.0) for recipe in RECIPES.values()),
        *((PLAIN, rate) for rate in DROPOUTS),
        (RECIPES["everything"], 0.1),
    ],
    ids=[*RECIPES, *(f"dropout of {rate:.2f}" for rate in DROPOUTS), "everything and dropout"],
)
def test_a_training_has_the_numbers_of_plain_numpy(
    recipe: Recipe, dropout: float, seeds: list[int], data: MNIST, teacher: nn.Module
) -> None:
    step = type("Step", (StepSpec,), {"model": lambda: Linear(dropout), "recipe": recipe, "__module__": __name__})
    torch.manual_seed(SEED)
    expected = plain.trained(weights_of(Linear()), data, recipe, dropout, SEED, weights_of(teacher))
    trainer = trainer_of(step, seeds, data)
    ours = [trainer.train_epoch()[-1] for _ in range(recipe.epochs)]
    assert [hits for _, hits in ours] == expected.hits
    assert [loss for loss, _ in ours] == pytest.approx(expected.losses, abs=1e-9, rel=1e-9)
    missed, loss = plain.tested(expected.weights, data, recipe)
    found = trainer.test()[-1]
    assert list(found.errors) == missed
    assert found.loss == pytest.approx(loss, abs=1e-9, rel=1e-9)
