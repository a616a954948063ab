"""A run whose misclassified images, or test losses, are not known decides nothing that is about them."""

import math

import pytest

from harness.claims.about_runs import RUN_CLAIMS
from harness.run import Epoch, Run
from harness.step import Step

KNOWN = tuple((index, 6, 0) for index in range(10))
"""Ten sixes taken for zeros, which is ninety times the average pair of digits."""


def run(seed: int, errors: tuple[tuple[int, int, int], ...]) -> Run:
    return Run(Step, seed, tuple(Epoch(number, 99.0, 99.9, 0.1, 1.0, errors) for number in (1, 2, 3)))


@pytest.mark.parametrize(
    ("claim", "details"), [("on average confuses A with B", (6, 0)), ("in every run misses A the most", (6,))]
)
def test_runs_without_their_errors_are_not_counted(claim: str, details: tuple[int, ...]) -> None:
    known, unknown = [run(0, KNOWN), run(1, KNOWN)], [run(2, ()), run(3, ())]
    decide = RUN_CLAIMS[claim]
    assert decide([*known, *unknown], *details) == decide(known, *details)
    assert (decide(known, *details).n, decide(unknown, *details).n) == (2, 0)


@pytest.mark.parametrize("unknown", [1, 2, 3])
def test_a_run_without_the_test_loss_of_any_epoch_is_not_counted(unknown: int) -> None:
    losses = [math.nan if number == unknown else 0.1 for number in (1, 2, 3)]
    epochs = tuple(Epoch(number, 99.0, 99.9, 0.1, 1.0, test_loss=loss) for number, loss in enumerate(losses, 1))
    decide = RUN_CLAIMS["in every run test loss moves by less than L over epochs N to M"]
    assert decide([Run(Step, 0, epochs)], 0.01, 1, 3).n == 0
