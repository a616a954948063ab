"""The augmentation of a recipe: what it may be, and in which order transforms may stand."""

import re
from typing import Any

import pytest
from torchvision import transforms as vision

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


def recipe(augmentation: Any) -> Recipe:
    return Recipe(lr=0.1, batch_size=64, epochs=15, augmentation=augmentation)


@pytest.mark.parametrize(
    "wrong",
    [(), [RandomAffine()], "rotate", (RandomAffine(), None), RandomAffine, vision.RandomRotation(7), 7],
    ids=repr,
)
def test_what_is_no_transform_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="augmentation"):
        recipe(wrong)


def test_an_8_bit_image_is_not_to_be_had_from_a_normalized_one() -> None:
    on_image, on_tensor = RandomAffine(degrees=7), RandomAffine(degrees=7, on="tensor")
    assert recipe((on_image, on_tensor)).augmentation == (on_image, on_tensor)
    with pytest.raises(ValueError, match="RandomAffine acts on 8-bit images"):
        recipe((on_tensor, on_image))
    with pytest.raises(ValueError, match="RandomAffine acts on 8-bit images: it stands before RandomErasing"):
        recipe((RandomErasing(), on_image))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (RandomRotation, {"degrees": -7}),
        (RandomRotation, {"degrees": (7, -7)}),
        (RandomRotation, {"degrees": [-7, 7]}),
        (RandomRotation, {"degrees": (-7, 0, 7)}),
        (RandomRotation, {"degrees": float("nan")}),
        (RandomRotation, {"degrees": 7, "fill": 256}),
        (RandomRotation, {"degrees": 7, "fill": (-1,)}),
        (RandomRotation, {"degrees": 7, "fill": (0, 0, 0)}),
        (RandomRotation, {"degrees": 7, "interpolation": "bicubic"}),
        (RandomRotation, {"degrees": 7, "expand": True}),
        (RandomAffine, {"translate": 1.5}),
        (RandomAffine, {"translate": (0.1, -0.1)}),
        (RandomAffine, {"scale": 0.9}),
        (RandomAffine, {"scale": (1.1, 0.9)}),
        (RandomAffine, {"scale": (0, 1)}),
        (RandomAffine, {"shear": (1, 2, 3)}),
        (RandomAffine, {"shear": (1, 2, 4, 3)}),
        (RandomPerspective, {"distortion_scale": 1.5}),
        (RandomPerspective, {"p": -0.1}),
        (RandomPerspective, {"fill": -0.4}),
        (RandomCrop, {"size": 0}),
        (RandomCrop, {"size": 28.0}),
        (RandomCrop, {"size": 28, "padding": -1}),
        (RandomCrop, {"size": 28, "padding": (1, 2, 3)}),
        (CenterCrop, {"size": (28, 28, 28)}),
        (Resize, {"size": None}),
        (RandomResizedCrop, {"size": 0}),
        (RandomResizedCrop, {"size": 28, "scale": 0.85}),
        (RandomResizedCrop, {"size": 28, "scale": (-0.1, 1.0)}),
        (RandomResizedCrop, {"size": 28, "scale": (1.0, 0.85)}),
        (RandomResizedCrop, {"size": 28, "ratio": (0, 1)}),
        (RandomResizedCrop, {"size": 28, "ratio": (1.5, 0.5)}),
        (RandomResizedCrop, {"size": 28, "interpolation": "bicubic"}),
        (RandomResizedCrop, {"size": 28, "antialias": True}),
        (GaussianBlur, {"kernel_size": 0}),
        (GaussianBlur, {"kernel_size": 4}),
        (GaussianBlur, {"kernel_size": (3, 2)}),
        (GaussianBlur, {"kernel_size": 3.0}),
        (GaussianBlur, {"kernel_size": [3, 3]}),
        (GaussianBlur, {"kernel_size": 3, "sigma": 0}),
        (GaussianBlur, {"kernel_size": 3, "sigma": (2.0, 0.1)}),
        (GaussianBlur, {"kernel_size": 3, "sigma": (0, 1)}),
        (ColorJitter, {"brightness": -0.1}),
        (ColorJitter, {"contrast": (1.2, 0.8)}),
        (ColorJitter, {"contrast": (-0.2, 1.2)}),
        (ColorJitter, {"hue": 0.1}),
        (RandomErasing, {"scale": (0.1, 1.1)}),
        (RandomErasing, {"scale": (0.3, 0.1)}),
        (RandomErasing, {"ratio": (0, 1)}),
        (RandomErasing, {"value": "noise"}),
        (RandomApply, {"transforms": ()}),
        (RandomApply, {"transforms": RandomAffine()}),
        (RandomApply, {"transforms": [RandomAffine()]}),
        (RandomApply, {"transforms": (RandomAffine(), RandomErasing())}),
        (RandomApply, {"transforms": (RandomAffine(),), "p": 2}),
        (Normalize, {"std": 0}),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused_by_the_name_of_its_argument(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{kind.__name__}\b.*\b{list(wrong)[-1]}\b"):
        kind(**wrong)


@pytest.mark.parametrize(
    ("sequence", "why"),
    [
        (RandomCrop(size=24), "must give images of 28 x 28, not 24 x 24; add a Resize"),
        ((CenterCrop(size=24), Resize(size=(28, 29))), "not 28 x 29"),
        ((Resize(size=(14, 28)), Resize(size=28)), "not 28 x 56"),  # the shorter side becomes 28
        (RandomCrop(size=32), "RandomCrop.size must be at most 28 x 28, that of the images, not 32"),
        (RandomResizedCrop(24), "must give images of 28 x 28, not 24 x 24; add a Resize, or crop to that size"),
        (RandomResizedCrop((28, 32), on="tensor"), "must give images of 28 x 28, not 28 x 32; add a Resize, or crop"),
        (RandomResizedCrop(28, ratio=(60, 70)), "RandomResizedCrop.ratio must leave a pixel of images of 28 x 28"),
        (RandomResizedCrop(28, ratio=(0.01, 0.015)), "RandomResizedCrop.ratio must leave a pixel of images of 28 x 28"),
        (GaussianBlur(57), "GaussianBlur.kernel_size must be at most 55 across and 55 down, for images of 28 x 28"),
        ((CenterCrop((4, 8)), GaussianBlur((3, 9)), Resize((28, 28))), "must be at most 15 across and 7 down"),
        ((CenterCrop(size=22), RandomCrop(size=28, padding=(4, 2))), "RandomCrop.size must be at most 26 x 30"),
    ],
)
def test_networks_take_images_of_the_size_that_they_are_tested_with(sequence: Any, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        recipe(sequence)


@pytest.mark.parametrize(
    "sequence",
    [
        RandomApply(transforms=(CenterCrop(size=22),)),
        (RandomApply(transforms=(CenterCrop(size=22),)), Resize(size=(28, 30)), Resize(size=(28, 28))),
        (RandomApply(transforms=(CenterCrop(size=22),)), RandomAffine(), Resize(size=28)),
        (RandomApply(transforms=(RandomApply(transforms=(CenterCrop(size=22),)), RandomAffine())), Resize(size=28)),
    ],
    ids=str,
)
def test_images_of_two_sizes_are_refused(sequence: Any) -> None:
    with pytest.raises(ValueError, match=r"RandomApply gives some images 22 x 22|must give images of 28 x 28"):
        recipe(sequence)


def test_images_may_change_their_size_in_between() -> None:
    crop = RandomApply(transforms=(CenterCrop(size=22),), p=0.1)
    sequences: list[Any] = [
        (CenterCrop(size=22), RandomCrop(size=24, padding=2), Resize(size=28), RandomCrop(size=28, padding=4)),
        (crop, Resize(size=28)),
        (RandomApply(transforms=(crop, Resize(size=28))),),
        (RandomResizedCrop(20), GaussianBlur((3, 39)), Resize(size=28)),
        (RandomErasing(), RandomResizedCrop(20, on="tensor"), RandomResizedCrop(28, on="tensor")),
    ]
    for sequence in sequences:
        assert recipe(sequence).augmentation == sequence


def test_a_shear_is_part_of_what_identifies_a_recipe() -> None:
    assert repr(RandomAffine(degrees=7, shear=(5, 10))).endswith("on='image', fill=0.0, shear=(5, 10))")
    assert repr(RandomDistortion(on="tensor")).endswith("on='tensor', fill=0.0, shear=0.0, elastic=0.0)")


def test_one_transform_is_printed_as_before_there_were_sequences() -> None:
    """Records identify a recipe by a hash of what it prints."""
    printed = repr(recipe(RandomAffine(degrees=7, fill=1)))
    assert printed == (
        "Recipe(lr=0.1, batch_size=64, epochs=15, momentum=0.9, nesterov=False, weight_decay=0.0, "
        "schedule=Constant(), augmentation=RandomAffine(degrees=7, translate=0.0, scale=(1.0, 1.0), "
        "interpolation='nearest', on='image', fill=1), normalize=Normalize(mean=0.1307, std=0.3081), average=None)"
    )
