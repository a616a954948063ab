"""`bench --record` saves what it measured, and measures nothing where that cannot be saved."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import report
from harness.__main__ import main
from harness.benchmark import side_by_side
from harness.data.synthetic import synthetic
from harness.report import benchmark
from spec.harness.support.paths import ROOT

[RESULT, *_] = json.loads((ROOT / "docs" / "benchmark.json").read_text())
LINE = ["bench", RESULT["step"], "--device", "cpu", "--record"]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The measurements and rewrites that were asked for, in order; a result is one of those that are committed."""
    calls: list[str] = []

    def bench(step: Any, *_: object) -> dict[str, Any]:
        calls.append(step.id)
        result: dict[str, Any] = RESULT
        return result

    monkeypatch.setattr(side_by_side, "bench", bench)
    monkeypatch.setattr(report, "rewrite", lambda: calls.append("rewrite"))
    monkeypatch.setattr("harness.data.load", lambda folder: synthetic(64))
    monkeypatch.setattr(benchmark, "path", lambda: tmp_path / "docs" / "benchmark.json")
    return calls


def test_a_result_is_saved_beside_its_page_and_the_texts_follow(calls: list[str], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert main(LINE) == 0
    assert calls == [RESULT["step"], "rewrite"]
    assert json.loads((tmp_path / "docs" / "benchmark.json").read_text()) == [RESULT]
    assert (tmp_path / "docs" / "benchmark.md").read_text().startswith("# How fast it trains")


def test_where_there_is_no_folder_for_it_nothing_is_measured(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(LINE) == 2
    assert f"--record writes to {tmp_path / 'docs'}, which does not exist; make that folder" in capsys.readouterr().err
    assert calls == []
