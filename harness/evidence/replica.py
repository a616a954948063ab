"""A recorded run trained again: is every number the same, digit by digit?"""

import math
from typing import Any, NamedTuple

from harness.run import FIGURES, Epoch, Errors, Run


class Difference(NamedTuple):
    """The first number in which a run that was trained again is not the recorded one."""

    epoch: int
    what: str
    recorded: Any
    again: Any

    def __str__(self) -> str:
        return f"epoch {self.epoch} has {self.what} {self.recorded} in the record and {self.again} here"


def epoch_difference(recorded: Epoch, again: Epoch) -> Difference | None:
    """The first accuracy or loss in which an epoch differs from that of the record; None if there is none.

    What the record does not have is not compared.
    """
    for what in FIGURES[:-1]:
        then, now = getattr(recorded, what), getattr(again, what)
        if then != now and not math.isnan(then):
            return Difference(recorded.epoch, what, then, now)
    return None


def errors_difference(recorded: Run, again: Run) -> Difference | None:
    """The first image that only one of the runs misses after its last epoch, or takes for another digit.

    None if there is none, if the record names no images, or if the run has not reached the recorded end.
    """
    if recorded.errors is None or len(again.epochs) != len(recorded.epochs):
        return None
    last, missed = recorded.epochs[-1].epoch, again.epochs[-1].errors
    for image in sorted(decided_otherwise(recorded.errors, missed)):
        then, now = (_answer(image, errors) for errors in (recorded.errors, missed))
        return Difference(last, f"test image {image}", then, now)
    return None


def decided_otherwise(one: Errors, other: Errors) -> set[int]:
    """The images that only one of two networks misses, or takes for another digit."""
    return {index for index, _, _ in set(one) ^ set(other)}


def _answer(image: int, errors: Errors) -> str:
    """What a network takes a test image for, by the images that it misses."""
    return next((f"taken for {predicted}" for index, _, predicted in errors if index == image), "right")


def difference(recorded: Run, again: Run) -> Difference | None:
    """The first difference of the epochs that both have, then of the images missed at the end; None if all agrees."""
    epochs = zip(recorded.epochs, again.epochs, strict=False)
    found = [*(epoch_difference(then, now) for then, now in epochs), errors_difference(recorded, again)]
    return next((one for one in found if one is not None), None)


def same(recorded: Run, epochs: int) -> str:
    """The words for n epochs without a difference."""
    return f"{epochs} of {len(recorded.epochs)} epochs the same"
