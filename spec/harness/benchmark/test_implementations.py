"""A notebook is given the transforms of torchvision and the optimizer of torch that a recipe names."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from harness import StepSpec
from harness.benchmark.implementations import Notebook, advance, transforms_of
from harness.data.synthetic import synthetic
from harness.machine import precision
from harness.recipe import (
    Adadelta,
    Adam,
    AdamW,
    CenterCrop,
    ColorJitter,
    RandomAffine,
    RandomApply,
    RandomCrop,
    RandomErasing,
    RandomPerspective,
    RandomRotation,
    Recipe,
    Resize,
    RMSprop,
)


def test_a_notebook_has_the_transforms_of_torchvision_in_their_order() -> None:
    sequence = (
        RandomApply(transforms=(CenterCrop(size=22),), p=0.1),
        Resize(size=28),
        ColorJitter(brightness=0.2),
        RandomPerspective(),
        RandomAffine(translate=0.1, shear=(5, 10)),
        RandomCrop(size=28, padding=(2, 3)),
        RandomRotation(degrees=(-7, 9), fill=(1,)),
        RandomErasing(value="random"),
        RandomRotation(degrees=3, on="tensor", fill=-0.4),
    )
    composed = transforms_of(Recipe(lr=1, batch_size=1, epochs=1, augmentation=sequence), train=True)
    names = [type(one).__name__ for one in composed.transforms]
    # Resize moves into the RandomApply that it follows
    assert names == [
        *("RandomApply", "ColorJitter", "RandomPerspective", "RandomAffine", "RandomCrop", "RandomRotation"),
        *("ToTensor", "Normalize", "RandomErasing", "RandomRotation"),
    ]
    assert [type(one).__name__ for one in composed.transforms[0].transforms] == ["CenterCrop", "Resize"]
    assert (composed.transforms[5].degrees, composed.transforms[5].fill) == ([-7.0, 9.0], (1,))
    image = composed(Image.fromarray(np.full((28, 28), 100, dtype=np.uint8)))
    assert image.shape == (1, 28, 28)


class Linear(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"momentum": 0.8, "nesterov": True}, {"momentum": 0.8, "nesterov": True}),
        ({"optimizer": Adam(betas=(0.8, 0.99))}, {"betas": (0.8, 0.99), "amsgrad": False}),
        ({"optimizer": AdamW(eps=1e-6)}, {"eps": 1e-6}),
        ({"optimizer": Adadelta(rho=0.8)}, {"rho": 0.8}),
        ({"optimizer": RMSprop(alpha=0.9, momentum=0.5)}, {"alpha": 0.9, "momentum": 0.5}),
    ],
    ids=["SGD", "Adam", "AdamW", "Adadelta", "RMSprop"],
)
def test_a_notebook_has_the_optimizer_of_the_recipe(
    settings: dict[str, Any], expected: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    recipe = Recipe(lr=0.02, batch_size=16, epochs=1, weight_decay=1e-3, **settings)
    step = type("Step", (StepSpec,), {"model": Linear, "recipe": recipe, "__module__": __name__})
    notebook = Notebook(step, synthetic(32), torch.device("cpu"))
    [group] = notebook.optimizer.param_groups
    assert type(notebook.optimizer).__name__ == request.node.callspec.id
    assert {name: group[name] for name in expected} == expected
    assert (group["lr"], group["weight_decay"]) == (0.02, 1e-3)
    assert not group.get("fused")  # which no notebook asks for


class Precise(Linear):
    """Notes the precision of convolutions on a GPU whenever it computes."""

    seen: ClassVar[list[str]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(precision())
        logits: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return logits


def test_a_notebook_computes_in_the_precision_that_torch_has_by_default() -> None:
    recipe = Recipe(lr=0.02, batch_size=16, epochs=1)
    step = type("Step", (StepSpec,), {"model": Precise, "recipe": recipe, "__module__": __name__})
    notebook = Notebook(step, synthetic(32), torch.device("cpu"))
    Precise.seen.clear()
    advance(notebook.steps(), 2)
    assert precision() == "ieee"
    notebook.test()
    assert (set(Precise.seen), len(Precise.seen), precision()) == ({"tf32"}, 4, "ieee")


@pytest.mark.parametrize(
    ("settings", "batches", "tested"), [({}, 7, 100), ({"drop_last": True}, 6, 100), ({"validation": 0.25}, 5, 25)]
)
def test_a_notebook_has_the_batches_of_the_recipe(settings: dict[str, Any], batches: int, tested: int) -> None:
    """Of 100 images in batches of 16."""
    recipe = Recipe(lr=0.02, batch_size=16, epochs=1, **settings)
    step = type("Step", (StepSpec,), {"model": Linear, "recipe": recipe, "__module__": __name__})
    notebook = Notebook(step, synthetic(100), torch.device("cpu"))
    assert (len(notebook.train_loader), len(notebook.test_loader.dataset)) == (batches, tested)  # type: ignore[arg-type]
