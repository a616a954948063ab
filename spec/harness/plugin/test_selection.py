"""Which specs and which seeds a session takes."""

import pytest

from harness.jobs import engines
from spec.harness.jobs.scripted import scripted
from spec.harness.plugin.tiny_ladder import SPEC, Ladder, table
from spec.harness.plugin.tiny_ladder import ladder as ladder


def test_a_step_is_selected_by_its_id(ladder: Ladder) -> None:
    other = ladder.pytester.path / "mine" / "test_02_other.py"
    other.write_text(SPEC.replace("step 1", "step 2").replace("Step 1", "Step 2"))
    (ladder.pytester.path / "mine" / "test_more.py").write_text("def test_no_spec():\n    pass\n")
    for named in (["mine/other"], ["mine/other", "mine/tiny"]):
        options = [word for name in named for word in ("--step", name)]
        shown = [line.split("::")[0] for line in ladder.run("--collect-only", "-q", *options).outlines if "::" in line]
        assert set(shown) == {f"mine/test_0{'12'[name == 'mine/other']}_{name[5:]}.py" for name in named}


def test_a_step_that_has_no_spec_is_one_line_with_the_nearest(ladder: Ladder) -> None:
    result = ladder.run("--step", "mine/tinny")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == ["ERROR: --step mine/tinny: no such spec; nearest: mine/tiny"]


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--step", "mine/tinny"], "--step mine/tinny: no such spec; nearest: mine/tiny"),
        (["nowhere"], "file or directory not found: nowhere"),
    ],
)
def test_what_workers_find_wrong_with_the_words_is_one_line(ladder: Ladder, words: list[str], message: str) -> None:
    pytest.importorskip("xdist")
    result = ladder.run("-p", "xdist", "-n", "2", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line.strip()] == [f"ERROR: {message}"]


def test_a_spec_that_another_file_imports_is_tested_once(ladder: Ladder) -> None:
    other = ladder.pytester.path / "mine" / "test_02_other.py"
    other.write_text('from test_01_tiny import TestTiny\n\nclass TestOther(TestTiny):\n    """Step 2: other."""\n')
    chosen = ladder.run("--collect-only", "-q", "-k", "test_accuracy")
    assert [line for line in chosen.outlines if "::" in line] == [
        "mine/test_01_tiny.py::TestTiny::test_accuracy",
        "mine/test_02_other.py::TestOther::test_accuracy",
    ]


@pytest.mark.thorough
def test_seeds_are_counted_or_listed(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "work", scripted(*[99.0] * 8))
    for options, number in ((["--seeds", "3"], 3), (["--seed", "0", "7"], 2)):
        result = ladder.run("-m", "slow", "--device", "cpu", *options)
        result.assert_outcomes(passed=1)
        assert table(result)[1][5] == f"0 of {number}"
        if "--seed" in options:
            assert {line.split()[2] for line in result.outlines if " epoch " in line} == {"0", "7"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0 more", "--seed: 'more' is not a seed; give whole numbers of 0 or more, and other words before --seed"),
        ("0 7 0", "--seed: a seed is given twice; each seed counts once"),
        ("0 7 --seed 0", "--seed: a seed is given twice; each seed counts once"),
    ],
)
def test_what_is_no_seed_is_one_line(ladder: Ladder, words: str, message: str) -> None:
    result = ladder.run("--seed", *words.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]
