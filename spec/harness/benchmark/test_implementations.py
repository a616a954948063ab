"""A notebook is given the transforms of torchvision that a recipe names."""

import numpy as np
from PIL import Image

from harness.benchmark.implementations import transforms_of
from harness.recipe import (
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
