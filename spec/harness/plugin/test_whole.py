"""A spec that does not say what a step has to is refused before any of its tests runs."""

import pytest

from spec.harness.plugin.tiny_ladder import Ladder
from spec.harness.plugin.tiny_ladder import ladder as ladder


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= 100", "= '100'", "mine/tiny: parameters must be a whole number, not '100'"),
        ("    receptive_field = 28\n", "", "mine/tiny says no receptive_field; give it a whole number"),
        (
            "model = network",
            "model = network()",
            "mine/tiny: model must be a class or *, not a network; leave out the ()",
        ),
        ("= 28", "= 28\n    variants = ['a']", "mine/tiny: variants must be a dict from *, not ?'a'?"),
    ],
)
def test_a_spec_that_is_not_whole_is_one_line(ladder: Ladder, old: str, new: str, message: str) -> None:
    ladder.change(old, new)
    result = ladder.run("-m", "not slow")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR collecting mine/test_01_tiny.py*", message, "*short test summary*"], consecutive=True
    )


def test_a_base_of_several_specs_need_not_be_whole(ladder: Ladder) -> None:
    base = "\nclass Base(StepSpec):\n    goal = False\n\n\nclass TestTiny(Base)"
    ladder.change("\nclass TestTiny(StepSpec)", base)
    ladder.run("-k", "test_parameters").assert_outcomes(passed=1)
