"""Quantities of a run at their edges, by hand; what they are like on real runs, the counts of the README show."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.evidence import quantities
from harness.run import Epoch, Errors, Run
from spec.harness.evidence.records_of import step_with


def run(test: Sequence[float], losses: Sequence[float] | None = None, errors: Errors = ()) -> Run:
    """A run of six epochs with these test accuracies and losses, and with what the last epoch misses."""
    each = zip(test, losses or [0.1] * len(test), strict=True)
    epochs = [
        Epoch(n, 99.0, accuracy, 0.1, 1.0, errors=errors, test_loss=loss) for n, (accuracy, loss) in enumerate(each, 1)
    ]
    return Run(step_with(Path(), "mine/a"), 0, tuple(epochs))


FLAT = run([99.0] * 6, [0.9, 0.4, 0.2, 0.3, 0.1, 0.7])


def test_a_range_of_losses_is_that_of_its_epochs() -> None:
    assert quantities.loss_range(FLAT, 2, 4) == pytest.approx(0.2)


def test_what_does_not_move_moves_by_one_image_or_a_millionth_of_loss() -> None:
    assert quantities.spread(FLAT) == 0.01
    assert quantities.loss_spread(run([99.0] * 6)) == 1e-6


def test_what_is_never_reached_is_reached_an_epoch_after_the_end() -> None:
    assert quantities.epochs_to(run([98.0] * 5 + [99.4]), 99.4, 6) == 6
    assert quantities.epochs_to(FLAT, 99.4, 6) == 7


def test_two_of_forty_five_misses_are_four_times_the_average_of_ninety_pairs() -> None:
    errors = (*((n, 4, 9) for n in range(2)), *((2 + n, 1, 7) for n in range(43)))
    assert quantities.confusions(run([99.55] * 6, errors=errors), 4, 9) == 4.0


def test_a_run_never_learned_if_its_final_accuracy_is_below_a_half() -> None:
    assert [quantities.collapsed(run([accuracy] * 6)) for accuracy in (49.9, 50.0)] == [True, False]
