"""`bench --record` saves each result once it is measured, and measures nothing where that cannot be saved."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import report
from harness.__main__ import main
from harness.benchmark import side_by_side
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.report import benchmark
from harness.streams import ReaderGoneError
from spec.harness.support.paths import ROOT

RESULTS = {one["step"]: one for one in json.loads((ROOT / "docs" / "benchmark.json").read_text())}
FIRST, SECOND, THIRD = RESULTS
LINE = ["bench", FIRST, SECOND, THIRD, "--device", "cpu", "--record"]


@pytest.fixture
def failing() -> dict[str, BaseException]:
    """What the measurement of a step raises."""
    return {}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: dict[str, BaseException]) -> list[str]:
    """The measurements and rewrites that were asked for, in order; a result is one of those that are committed."""
    calls: list[str] = []

    def bench(step: Any, *_: object) -> dict[str, Any]:
        calls.append(step.id)
        if step.id in failing:
            raise failing[step.id]
        result: dict[str, Any] = RESULTS[step.id]
        return result

    monkeypatch.setattr(side_by_side, "bench", bench)
    monkeypatch.setattr(report, "rewrite", lambda: calls.append("rewrite"))
    monkeypatch.setattr("harness.data.load", lambda folder: synthetic(64))
    monkeypatch.setattr(benchmark, "path", lambda: tmp_path / "docs" / "benchmark.json")
    return calls


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """The folder of the results, empty."""
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def saved(docs: Path) -> list[str]:
    """The steps whose results are saved, as they were measured."""
    results = json.loads((docs / "benchmark.json").read_text())
    assert results == [RESULTS[one["step"]] for one in results]
    return [one["step"] for one in results]


def test_results_are_saved_beside_their_page_and_the_texts_follow_each(
    calls: list[str], docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LINE, "--json"]) == 0
    assert calls == [FIRST, "rewrite", SECOND, "rewrite", THIRD, "rewrite"]
    assert saved(docs) == [FIRST, SECOND, THIRD]
    assert (docs / "benchmark.md").read_text().startswith("# How fast it trains")
    assert json.loads(capsys.readouterr().out) == list(RESULTS.values())


def test_where_there_is_no_folder_for_it_nothing_is_measured(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(LINE) == 2
    assert f"--record writes to {tmp_path / 'docs'}, which does not exist; make that folder" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda docs: (docs / "benchmark.json").write_text("[{]"), "benchmark.json is not what the benchmark wrote: "),
        (lambda docs: (docs / "benchmark.json").mkdir(), "Is a directory"),
        (lambda docs: (docs / "benchmark.md").mkdir(), "benchmark.md: it is a folder; move it"),
        (lambda docs: (docs / "benchmark.lock").mkdir(), "benchmark.json: its lock, benchmark.lock beside it: "),
    ],
)
def test_where_it_could_not_be_saved_nothing_is_measured(
    calls: list[str], docs: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], object], message: str
) -> None:
    harm(docs)
    assert main(LINE) == 2
    assert message in capsys.readouterr().err
    assert calls == []


class Unwritable(io.StringIO):
    """Standard output that is full, or that nobody reads."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(HarnessError("cannot write to standard output"), 2), (ReaderGoneError(), 141)]
)
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_what_cannot_be_printed_is_saved(
    calls: list[str], docs: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, words: list[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Unwritable(error))
        assert main(LINE + words) == status
    assert saved(docs) == [FIRST, SECOND, THIRD]


def test_a_step_that_fails_stops_no_other(
    calls: list[str], docs: Path, failing: dict[str, BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing |= {FIRST: HarnessError("one"), THIRD: HarnessError("three")}
    assert main([*LINE, "--json"]) == 2
    assert saved(docs) == [SECOND]
    out, err = capsys.readouterr()
    assert json.loads(out) == [RESULTS[SECOND]]
    assert err == "python -m harness bench: error: one; three\n"


def test_ctrl_c_leaves_what_is_finished_and_says_what_failed(
    calls: list[str], docs: Path, failing: dict[str, BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing |= {FIRST: HarnessError("one"), THIRD: KeyboardInterrupt()}
    assert main([*LINE, "--json"]) == 130
    assert saved(docs) == [SECOND]
    out, err = capsys.readouterr()
    assert json.loads(out) == [RESULTS[SECOND]]
    assert err.splitlines() == ["error: one", "python -m harness bench: interrupted"]
