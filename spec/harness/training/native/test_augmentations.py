"""Which augmentations the kernels take, and that they take them as the affine maps that they equal."""

import re
from typing import Any

import pytest

from harness.recipe import (
    GaussianBlur,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    RandomRotation,
    Recipe,
)
from harness.training.native import library, refusal
from harness.training.native.operations import NotCoveredError
from spec.harness.jobs.small import Plain


def recipe(*augmentation: Any) -> Recipe:
    return Recipe(lr=0.1, batch_size=64, epochs=1, augmentation=augmentation)


@pytest.mark.parametrize(
    ("same", "affine"),
    [
        (RandomRotation(degrees=7, fill=(1,)), RandomAffine(degrees=7, fill=1)),
        (RandomRotation(degrees=(-7, 7), on="tensor", fill=-0.4), RandomAffine(degrees=7, on="tensor", fill=-0.4)),
        (RandomAffine(degrees=(-7, 7), translate=(0.1, 0.1)), RandomAffine(degrees=7, translate=0.1)),
        (
            RandomAffine(scale=(0.9, 1.1), interpolation="bilinear", on="tensor"),
            RandomAffine(scale=(0.9, 1.1), interpolation="bilinear", on="tensor", shear=0),
        ),
    ],
)
def test_a_map_that_the_kernels_can_draw_is_taken_as_that(same: Any, affine: RandomAffine) -> None:
    taken, expected = (library.settings_of(recipe(one), 3) for one in (same, affine))
    assert bytes(taken) == bytes(expected)
    assert (taken.degrees, taken.augmentation) == (pytest.approx(affine.angles[1]), expected.augmentation)
    assert taken.augmentation != 0


@pytest.mark.parametrize(
    ("augmentation", "why"),
    [
        ((RandomRotation(degrees=(0, 7)),), "it augments by an affine map of another range to one side"),
        ((RandomAffine(translate=(0.1, 0.2)),), "it augments by an affine map of another range to one side"),
        ((RandomAffine(shear=5),), "it augments by a shear"),
        ((RandomAffine(degrees=1e12),), "it turns or shrinks images out of all proportion"),
        ((RandomAffine(scale=(1e-3, 1.0)),), "it turns or shrinks images out of all proportion"),
        ((RandomRotation(degrees=7, interpolation="bilinear"),), "it interpolates in 8-bit images"),
        ((RandomCrop(size=28, padding=2),), "it augments by RandomCrop"),
        ((RandomResizedCrop(28),), "it augments by RandomResizedCrop"),
        ((RandomRotation(degrees=7), GaussianBlur(3)), "it augments by RandomRotation and GaussianBlur"),
        ((RandomErasing(),), "it augments by RandomErasing"),
        ((RandomRotation(degrees=7), RandomAffine(shear=5)), "it augments by RandomRotation and RandomAffine"),
    ],
)
def test_what_the_kernels_cannot_draw_is_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, augmentation: tuple[Any, ...], why: str
) -> None:
    with pytest.raises(NotCoveredError, match=re.escape(why)):
        library.settings_of(recipe(*augmentation), 3)
    monkeypatch.setattr(Plain, "recipe", recipe(*augmentation))
    assert str(refusal(Plain)).startswith(why)
