"""What changed between two steps, in words that a person can check."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from torch import nn

from harness import steps
from harness.claims.vocabulary import decide
from harness.errors import HarnessError
from harness.evidence.facts import changed, difference, settings
from harness.recipe import CenterCrop, RandomAffine, RandomApply, RandomErasing, RandomRotation, Resize
from harness.step import Step


def changes(after: str) -> list[str]:
    """The difference of a step to the one it follows."""
    known = steps()
    assert known[after].follows
    return difference(known[str(known[after].follows)], known[after])


def test_batch_normalization_and_nothing_else() -> None:
    lines = changes("five_steps/step3")
    assert len(lines) == 3  # one for each width: 8, 16 and 10 channels
    assert all(line.startswith("+ BatchNorm2d(") for line in lines)
    assert "(4 times)" in lines[1]


def test_a_schedule_and_nothing_else() -> None:
    assert changes("five_steps/step4") == ["schedule: Constant() -> StepLR(step_size=5, gamma=0.15)"]


def test_two_changes_are_two_lines() -> None:
    lines = changes("five_steps/step5")
    assert lines[0] == "+ Dropout(p=0.01, inplace=False) (7 times)"
    assert lines[1].startswith("augmentation: None -> RandomAffine(degrees=6, ")
    assert len(lines) == 2


def test_the_same_step_has_no_difference() -> None:
    step = steps()["five_steps/step5"]
    assert difference(step, step) == []


def test_a_nested_value_names_its_field() -> None:
    assert "batch_size: 128 -> 64" in changes("five_steps/step2")


def augmented(augmentation: Any) -> type[Step]:
    """The step without an augmentation that five_steps/step5 gives one, with this augmentation."""
    base = steps()["five_steps/step4"]
    return type("Step", (base,), {"recipe": replace(base.recipe, augmentation=augmentation)})


TURNED, ERASED = RandomRotation(degrees=(-7, 7), fill=(1,)), RandomErasing(value="random")


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (None, (TURNED, ERASED), [f"+ augmentation: {TURNED}", f"+ augmentation: {ERASED}"]),
        (TURNED, (TURNED, ERASED), [f"+ augmentation: {ERASED}"]),
        ((TURNED, ERASED), None, [f"- augmentation: {TURNED}", f"- augmentation: {ERASED}"]),
        ((TURNED, ERASED), (ERASED,), [f"- augmentation: {TURNED}"]),
        (
            (TURNED, ERASED),
            (replace(TURNED, degrees=9), replace(ERASED, p=0.2)),
            ["augmentation.RandomRotation.degrees: (-7, 7) -> 9", "augmentation.RandomErasing.p: 0.5 -> 0.2"],
        ),
        (
            (RandomApply(transforms=(CenterCrop(size=22),), p=0.1), Resize(size=28)),
            (RandomApply(transforms=(CenterCrop(size=24),), p=0.1), Resize(size=28)),
            ["augmentation.RandomApply.transforms.CenterCrop.size: 22 -> 24"],
        ),
        ((TURNED,), (TURNED,), []),
        (TURNED, RandomAffine(degrees=7), [f"augmentation: {TURNED} -> {RandomAffine(degrees=7)}"]),
    ],
)
def test_several_transforms_are_compared_one_by_one(before: Any, after: Any, lines: list[str]) -> None:
    assert difference(augmented(before), augmented(after)) == lines


def test_several_transforms_are_a_line_each() -> None:
    shown = settings(augmented((TURNED, ERASED)))
    assert [line for line in shown if line.startswith("augmentation")] == [
        f"augmentation 1: {TURNED}",
        f"augmentation 2: {ERASED}",
    ]
    assert "momentum: 0.9" in shown


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        ("trains with augmentation.RandomRotation.degrees (-7, 7)", "supported"),
        ("trains with augmentation.RandomErasing.value random", "supported"),
        ("trains with augmentation.RandomErasing.p 0.3", "refuted"),
        ("changes augmentation since five_steps/step4", "supported"),
        ("changes only augmentation since five_steps/step4", "supported"),
        ("trains with the augmentation of five_steps/step5", "refuted"),
    ],
)
def test_claims_may_be_about_one_transform_of_several(claim: str, word: str) -> None:
    assert decide(augmented((TURNED, ERASED)), claim).word == word


def test_a_transform_that_is_not_there_is_named() -> None:
    with pytest.raises(HarnessError, match=r"has no augmentation\.RandomAffine\.degrees"):
        decide(augmented((TURNED, ERASED)), "trains with augmentation.RandomAffine.degrees 7")


def of_widths(*widths: int, more: tuple[type[nn.Module], ...] = ()) -> type[Step]:
    """The step with convolutions of these widths, each normalized and rectified, and other layers behind."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((1, *widths)):
        layers += [nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs), nn.ReLU()]
    network = nn.Sequential(*layers, *(kind() for kind in more))
    return type("Step", (steps()["five_steps/step4"],), {"model": staticmethod(lambda: network)})


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        # the second width before is the first one after: a comparison line by line would shift the network by a layer
        (of_widths(14, 16, 18), of_widths(15, 18, 20), ["conv3x3", "bn"]),
        (of_widths(8, 8), of_widths(8, 9), ["conv3x3", "bn"]),
        (of_widths(8, 8), of_widths(8, 8, 8), ["conv3x3", "bn", "relu"]),
        (of_widths(8), of_widths(8, more=(nn.Dropout,)), ["dropout"]),
        (of_widths(8), of_widths(8), []),
    ],
)
def test_the_kinds_of_layers_that_changed(before: type[Step], after: type[Step], kinds: list[str]) -> None:
    assert changed(after, before) == kinds
