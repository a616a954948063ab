"""The verb show: the specification of a step, or the list of all."""

from spec.harness.commands.workplace import Call
from spec.harness.commands.workplace import call as call
from spec.harness.commands.workplace import workplace as workplace


def test_show_prints_a_specification(call: Call) -> None:
    status, out, err = call("show mine/claim")
    assert (status, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "mine/claim: Step 2: tiny and faster"
    for title, text in (
        ("Target", "Hold the goal."),
        ("Result", "Parameters: 100 · receptive field: 28"),
        ("Analysis", "- It is no larger. [claim: has 100 parameters]"),
        ("Claims", "supported: has 100 parameters (100 parameters)"),
        ("Goal", "claims to hold 99.40 % test accuracy in each of its final 3 epochs, for every seed"),
        ("Recipe", "lr: 0.1"),
        ("Changed since mine/tiny", "lr: 0.05 -> 0.1"),
    ):
        assert lines[lines.index(title) + 1] == text
    cells = [line.split() for line in lines]
    assert ["0", "conv2d", "28", "3", "0", "1", "26", "1", "1", "1", "3"] in cells
    assert ["1", "adaptive_avg_pool2d", "26", "26", "0", "26", "1", "1", "26", "3", "28"] in cells


def test_show_takes_brackets_as_text(call: Call) -> None:
    assert "- It is [small].\n" in call("show mine/tiny")[1]


def test_show_alone_lists_the_steps(call: Call) -> None:
    status, out, _ = call("show")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["mine/tiny", "100"],
        ["mine/claim", "100"],
        ["mine/wide", "50"],
        ["mine/held", "100"],
    ]
