"""A run whose misclassified images are not known decides nothing that is about them."""

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
