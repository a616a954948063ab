"""A run that was trained again is compared number by number."""

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.evidence.replica import difference, same
from harness.run import Epoch, Run
from spec.harness.jobs.small import Plain

EPOCHS = tuple(
    Epoch(n, 90.0 + n, 95.0 + n, 0.1 / n, 1.5, ((18, 3, 8), (320, 9, 4)) if n == 4 else (), 0.2 / n, 92.0 + n)
    for n in range(1, 5)
)
RECORDED = Run(Plain, 7, EPOCHS)


def again(number: int, **changes: Any) -> Run:
    """The run with another value in an epoch."""
    return Run(Plain, 7, tuple(replace(one, **changes) if one.epoch == number else one for one in EPOCHS))


def test_a_run_is_itself_however_long_it_took() -> None:
    assert difference(RECORDED, RECORDED) is None
    assert difference(RECORDED, again(2, seconds=99.0)) is None
    assert same(RECORDED, 4) == "4 of 4 epochs the same"


@pytest.mark.parametrize("what", ["train_accuracy", "clean_train_accuracy", "test_accuracy", "train_loss", "test_loss"])
@pytest.mark.parametrize("number", [1, 4])
def test_the_least_change_of_a_number_is_found(what: str, number: int) -> None:
    then = getattr(EPOCHS[number - 1], what)
    now = math.nextafter(then, math.inf)
    found = difference(RECORDED, again(number, **{what: now}))
    assert found == (number, what, then, now)
    assert str(found) == f"epoch {number} has {what} {then} in the record and {now} here"


def test_the_first_difference_is_the_one_that_is_named() -> None:
    found = difference(RECORDED, Run(Plain, 7, (EPOCHS[0], *again(3, train_loss=9.0, test_loss=8.0).epochs[1:])))
    assert found is not None
    assert found[:2] == (3, "train_loss")


@pytest.mark.parametrize("what", ["clean_train_accuracy", "train_loss", "test_loss"])
def test_a_number_that_the_record_does_not_have_is_not_compared_and_one_that_is_lost_is(what: str) -> None:
    older = again(2, **{what: math.nan})
    assert difference(older, RECORDED) is None
    assert difference(RECORDED, older) is not None


@pytest.mark.parametrize(
    ("errors", "image", "then", "now"),
    [
        (((320, 9, 4),), 18, "taken for 8", "right"),
        (((18, 3, 8), (320, 9, 7)), 320, "taken for 4", "taken for 7"),
        (((2, 1, 7), (18, 3, 8), (320, 9, 4)), 2, "right", "taken for 7"),
    ],
)
def test_the_images_missed_at_the_end_are_compared(
    errors: tuple[tuple[int, int, int], ...], image: int, then: str, now: str
) -> None:
    assert difference(RECORDED, again(4, errors=errors)) == (4, f"test image {image}", then, now)


def test_a_run_that_is_shorter_is_compared_as_far_as_it_goes() -> None:
    assert difference(RECORDED, Run(Plain, 7, EPOCHS[:3])) is None
    assert difference(RECORDED, Run(Plain, 7, again(2, train_loss=1.0).epochs[:3])) is not None
    assert same(RECORDED, 3) == "3 of 4 epochs the same"


def test_a_record_that_names_no_images_has_none_compared() -> None:
    assert difference(again(4, errors=()), RECORDED) is None
