"""The verb compare: pairs, intervals and words, on the terminal and as Markdown."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from harness import discovery
from harness.__main__ import main
from harness.errors import HarnessError
from harness.evidence import paired, record
from harness.step import Step
from spec.harness.evidence.records_of import keep, step_with

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[type[Step], type[Step]]:
    """Two steps without records."""
    a, b = (step_with(tmp_path, f"mine/{name}", model=nn.Flatten) for name in "ab")
    monkeypatch.setattr(discovery, "steps", lambda: {"mine/a": a, "mine/b": b})
    return a, b


@pytest.fixture
def compare(pair: object, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the verb; its status, standard output and standard error."""

    def run(line: str) -> tuple[int, str, str]:
        status = main(["compare", *line.split()])
        return status, *capsys.readouterr()

    return run


def finals(*accuracies: float, first: int = 0) -> dict[int, tuple[list[float], list[float]]]:
    """A run of six epochs for each accuracy, which is that of the final three, from the seed `first` on."""
    return {seed: ([98.0] * 6, [97.0] * 3 + [accuracy] * 3) for seed, accuracy in enumerate(accuracies, first)}


def test_pairs_of_common_seeds_are_compared_as_by_hand(compare: Run, pair: tuple[type[Step], ...]) -> None:
    keep(pair[0], finals(99.0, 99.30, 99.32, 99.34))
    keep(pair[1], finals(99.10, 99.10, 99.10, first=1))
    status, out, _ = compare("mine/a mine/b")
    rows = [line.split() for line in out.splitlines()]
    assert status == 0
    assert rows[0] == ["seed", "mine/a", "mine/b", "difference"]
    assert ["2", "99.320", "99.100", "+0.220"] in rows
    assert not [row for row in rows if row[:1] == ["0"]]
    # Student: 0.02 / sqrt(3) x 4.3027 = 0.0497
    assert "Mean difference +0.220 points [+0.170, +0.270] (95 % interval of Student, 3 pairs)." in out
    assert "P(mine/a > mine/b) = 1.00, ties counted half. " in out
    # Clopper and Pearson: 0.025^(1/3)
    assert "Of the 3 pairs that differ mine/a is above in 3: 1.00 [0.29, 1.00] (exact 95 % interval)." in out
    assert "mine/a is an improvement on mine/b." in out
    assert "mine/a is an improvement on mine/b." in compare("mine/b mine/a")[1]


def test_ties_count_half_and_leave_the_interval_to_the_pairs_that_differ(
    compare: Run, pair: tuple[type[Step], ...]
) -> None:
    keep(pair[0], finals(99.3, 99.3, 99.2, 99.2))
    keep(pair[1], finals(99.2, 99.2, 99.3, 99.2))
    out = compare("mine/a mine/b")[1]
    # Clopper and Pearson, 2 of 3
    assert (
        "P(mine/a > mine/b) = 0.62, ties counted half. Of the 3 pairs that differ mine/a is above in 2: "
        "0.67 [0.09, 0.99] (exact 95 % interval)."
    ) in out
    keep(pair[1], finals(99.3, 99.3, 99.2, 99.2))
    assert "= 0.50, ties counted half. Of the 0 pairs that differ mine/a is above in 0." in compare("mine/a mine/b")[1]


def test_a_difference_within_the_noise_is_no_improvement(compare: Run, pair: tuple[type[Step], ...]) -> None:
    keep(pair[0], finals(99.30, 99.20, 99.40))
    keep(pair[1], finals(99.25, 99.30, 99.20))
    assert "Neither is an improvement on the other" in compare("mine/a mine/b")[1]


def test_where_a_run_never_learned_the_pairs_are_counted_as_in_the_claims(
    compare: Run, pair: tuple[type[Step], ...]
) -> None:
    """Six of six by the exact sign test; Student's interval of a mean that one run at chance moves is no guide."""
    keep(pair[0], finals(*[99.0] * 6))
    keep(pair[1], finals(10.0, *[98.9] * 5))
    out = compare("mine/a mine/b")[1]
    assert "Mean difference +14.917 points [-23.1" in out
    assert "mine/a is an improvement on mine/b by the number of pairs" in out
    keep(pair[1], finals(10.0, *[98.9] * 4, 99.1))
    assert "Neither is an improvement" in compare("mine/a mine/b")[1]


def test_one_pair_decides_nothing(compare: Run, pair: tuple[type[Step], ...]) -> None:
    keep(pair[0], finals(99.9))
    keep(pair[1], finals(95.0))
    out = compare("mine/a mine/b")[1]
    assert "Mean difference +4.900 points. One pair has no interval and decides nothing." in out
    assert "improvement" not in out


def test_a_step_is_compared_with_another_record_of_its_own(
    compare: Run, pair: tuple[type[Step], ...], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    path = keep(pair[0], finals(99.1, 99.2))
    made = json.loads(path.read_text())
    made["provenance"]["torch"] = "2.14.0"
    other.write_text(json.dumps(made))
    keep(pair[0], finals(99.3, 99.4))
    status, out, _ = compare(f"mine/a --against {other}")
    assert status == 0
    assert "Mean difference +0.200 points" in out
    assert "They differ in torch: 2.15.0 and 2.14.0." in out
    assert "network or recipe" not in out


def test_a_record_of_another_recipe_or_of_shorter_runs_is_named(
    compare: Run, pair: tuple[type[Step], ...], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    made = json.loads(keep(pair[0], finals(99.1, 99.2)).read_text())
    made["provenance"]["fingerprint"] = "4567"
    del made["runs"][0]["epochs"][4:]
    other.write_text(json.dumps(made))
    out = compare(f"mine/a --against {other}")[1]
    assert "They differ in network or recipe: 0123 and 4567." in out
    assert "They differ in epochs: 6 and 4, 6." in out
    keep(pair[1], finals(99.3, 99.4))
    assert "They differ" not in compare("mine/a mine/b")[1]


def test_records_of_two_trainers_differ_in_that_and_not_in_machines(
    compare: Run, pair: tuple[type[Step], ...], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    native = json.loads(keep(pair[0], finals(99.1, 99.2)).read_text())
    native["provenance"] = {"fingerprint": "0123", "trainer": "native", "numerics": 1}
    for run, hardware in zip(native["runs"], ("AMD EPYC", "Apple M1"), strict=True):
        run["made"] = {"hardware": hardware, "torch": "2.11.0"}
    other.write_text(json.dumps(native))
    out = compare(f"mine/a --against {other}")[1]
    assert [line for line in out.splitlines() if line.startswith("They differ")] == [
        "They differ in trainer: not recorded and native."
    ]
    native["provenance"]["numerics"] = 2
    record.path_of(pair[0]).write_text(json.dumps(native))
    out = compare(f"mine/a --against {other}")[1]
    assert [line for line in out.splitlines() if line.startswith("They differ")] == [
        "They differ in numerics: 2 and 1."
    ]


def test_markdown_is_a_table_and_points(compare: Run, pair: tuple[type[Step], ...]) -> None:
    keep(pair[0], finals(99.3, 99.4))
    keep(pair[1], finals(99.1, 99.1))
    lines = compare("mine/a mine/b --markdown")[1].splitlines()
    assert lines[:5] == [
        "### mine/a against mine/b",
        "",
        "| seed | mine/a | mine/b | difference |",
        "| ---: | ---: | ---: | ---: |",
        "| 0 | 99.300 | 99.100 | +0.200 |",
    ]
    assert [line for line in lines if line.startswith("- Mean difference +0.250 points [")]


def test_the_spread_is_shown_beside_that_of_independent_images(
    compare: Run, pair: tuple[type[Step], ...], tmp_path: Path
) -> None:
    path = keep(pair[0], finals(99.30, 99.40))
    made = json.loads(path.read_text())
    # 60 images that both miss, and 10 that only the first does: variance 10 x 1/4 x 2, in images squared
    made["runs"][0]["errors"] = [[image, 4, 9] for image in range(70)]
    made["runs"][1]["errors"] = [[image, 4, 9] for image in range(60)]
    path.write_text(json.dumps(made))
    keep(pair[1], finals(99.0))
    out = compare("mine/a mine/b")[1]
    observed = r"mine/a: after the last epoch 2 seeds spread by 0\.071 points"
    independent = rf"independently of each other would make it {100 * math.sqrt(5) / 10_000:.3f}"
    assert re.search(rf"{observed}; images missed {independent}; .*standard error of 0\.080\.", out)
    assert "mine/b: after" not in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mine/a mine/b", "mine/b has no record; make one with: python -m harness train mine/b --record"),
        ("mine/a", "name a second step, or a record with --against, and not both"),
        ("mine/a mine/b --against x.json", "name a second step, or a record with --against, and not both"),
        ("mine/a mine/z", "unknown step 'mine/z'; nearest: mine/"),
        ("mine/a --against nowhere.json", "--against nowhere.json: there is no such file"),
        ("mine/a --against {folder}/mine/records/../../broken.json", "broken.json is not a record of mine/a"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    compare: Run, pair: tuple[type[Step], ...], tmp_path: Path, line: str, message: str
) -> None:
    keep(pair[0], finals(99.3))
    (tmp_path / "broken.json").write_text('{"step": "mine/a"')
    status, out, err = compare(line.format(folder=tmp_path))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_records_without_a_common_seed_say_which_they_have(compare: Run, pair: tuple[type[Step], ...]) -> None:
    keep(pair[0], finals(99.3, 99.4))
    keep(pair[1], finals(99.3, first=5))
    assert (
        "no seed in common: the two have 0, 1 and 5; train both with the same seeds (--seed)"
        in compare("mine/a mine/b")[2]
    )
    with pytest.raises(HarnessError, match="the two have none and 5"):
        paired({}, {5: 99.3})


def test_ties_count_half() -> None:
    comparison = paired({0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}, {0: 1.0, 1: 2.0, 2: 2.0, 3: 5.0})
    assert comparison.better.estimate == (0.5 + 0.5 + 1 + 0) / 4
    assert comparison.difference.estimate == 0.0


def test_the_same_accuracies_in_another_order_are_a_tie() -> None:
    one, other = (99.42 + 99.6 + 99.71) / 3, (99.71 + 99.6 + 99.42) / 3
    assert one < other  # in the last bit
    comparison = paired({0: one, 1: 99.0, 2: 99.5}, {0: other, 1: 98.9, 2: 99.4})
    assert comparison.wins == (2, 2)
    assert comparison.better.estimate == (0.5 + 1 + 1) / 3


@pytest.mark.parametrize(
    ("wins", "pairs", "improvement"),
    # 29 pairs are what Bouthillier et al. recommend. By the normal approximation the interval of P is 0.76 +- 0.16 for
    # 22 wins and 0.62 +- 0.18 for 18; the mean difference is well above zero for both.
    [(22, 29, True), (18, 29, False), (29, 29, True)],
)
def test_an_improvement_wins_often_enough(wins: int, pairs: int, improvement: bool) -> None:
    a = {seed: 1.0 if seed < wins else -0.1 for seed in range(pairs)}
    comparison = paired(a, dict.fromkeys(range(pairs), 0.0))
    assert comparison.difference.low > 0
    assert comparison.improvement is improvement


def test_a_few_wins_of_uneven_size_are_no_improvement() -> None:
    comparison = paired({0: 0.01, 1: 0.3, 2: 0.02}, {0: 0.0, 1: 0.0, 2: 0.0})
    assert comparison.better[:2] == (1.0, 1.0)
    assert comparison.difference.low < 0
    assert not comparison.improvement


def test_two_pairs_are_no_improvement() -> None:
    comparison = paired({0: 99.30, 1: 99.31}, {0: 99.29, 1: 99.30})
    assert comparison.difference.low > 0
    assert not comparison.improvement


def test_two_equal_steps_are_seldom_told_apart() -> None:
    draws = np.random.default_rng(4).normal(99.4, 0.05, size=(2, 300, 10))
    called = [paired(dict(enumerate(a)), dict(enumerate(b))).improvement for a, b in zip(*draws, strict=True)]
    assert np.mean(called) < 0.05
