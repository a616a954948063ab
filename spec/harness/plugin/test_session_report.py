"""The report at the end of a pytest session: of its steps and with its runs, and only if it trained."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import report, steps
from harness.errors import HarnessError
from harness.plugin import session_report
from harness.plugin.session_report import specs_of
from spec.harness.plugin.tiny_ladder import Ladder, table
from spec.harness.plugin.tiny_ladder import ladder as ladder
from spec.harness.report.shown import a_step, row_of, text_of


def test_runs_are_read_back_from_the_files_of_this_session(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "tiny"
    folder.mkdir(parents=True)
    epoch = {"epoch": 1, "train_accuracy": 1.0, "test_accuracy": 2.0, "train_loss": 3.0, "seconds": 4.0}
    second = {**epoch, "epoch": 2}

    def write(seed: int, moment: str, *lines: Mapping[str, object], tail: str = "") -> None:
        head = {"step": "mine/tiny", "seed": seed, "started": "any", "torch": "2", "commit": "c", "dirty": False}
        text = "".join(json.dumps(line) + "\n" for line in (head, *lines)) + tail
        (folder / f"seed{seed}-{moment}.jsonl").write_text(text)

    failed = {"failed": "inf"}
    write(1, "20260102T000000.000900Z", {**epoch, "errors": []}, {**second, "errors": [[1, 2, 3]]}, failed)
    write(0, "20260102T000001.000000Z", {**epoch, "errors": [[4, 5, 6]]}, tail='{"epoch": 2, "tr')
    write(0, "20260102T000000.000899Z", {**epoch, "errors": []})
    write(2, "20260102T000001.000000Z")
    (folder / "seed3-20260101T235959.000000Z.jsonl").touch()  # damaged, but of another session
    step = a_step(tmp_path)
    record = session_report.record(
        tmp_path, step, datetime(2026, 1, 2, 1, 0, 0, 900, tzinfo=timezone(timedelta(hours=1)))
    )
    assert record is not None
    assert (record.step, record.provenance) == (step, {"torch": "2"})
    assert [run.as_json() for run in record.runs] == [
        {"seed": 0, "together": 1, "epochs": [epoch], "errors": ((4, 5, 6),)},
        {"seed": 1, "together": 1, "epochs": [epoch, second], "errors": ((1, 2, 3),)},
    ]
    assert session_report.record(tmp_path, step, datetime(2026, 1, 3, tzinfo=UTC)) is None
    (folder / "seed3-20260103T000000.000000Z.jsonl").touch()
    with pytest.raises(HarnessError, match=r"seed3-.*Z.jsonl is not a run file of mine/tiny"):
        session_report.record(tmp_path, step, datetime(2026, 1, 3, tzinfo=UTC))


@pytest.mark.thorough
def test_a_session_that_trained_ends_with_a_report_of_its_runs(ladder: Ladder) -> None:
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "2", "--out", "files")
    result.stdout.fnmatch_lines(["*= report =*", "files/report.html: the steps of this session, with its runs"])
    page = (ladder.pytester.path / "files" / "report.html").read_text()
    _, line = table(result)  # step, parameters, receptive field, mean, worst, held, seconds per epoch
    parameters, field, _, mean, worst, held, _ = row_of(page, "mine/tiny")
    assert [parameters, field, mean.split()[0], worst, held] == line[1:6]
    assert "a session of pytest" in " ".join(page.split())
    assert "seeds 0, 1" in text_of(page)


def test_a_session_that_did_not_train_has_no_report(ladder: Ladder) -> None:
    result = ladder.run("-m", "not slow")
    result.stdout.no_fnmatch_line("*= report =*")
    assert not list(ladder.pytester.path.rglob("report.html"))


def test_a_report_that_cannot_be_made_does_not_change_the_outcome(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def html(*_: object) -> str:
        raise HarnessError("for this reason")

    monkeypatch.setattr(report, "html", html)
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["no report: for this reason"])


def test_a_session_whose_run_files_are_gone_has_no_report(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_report, "record", lambda *_: None)
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "1", "--epochs", "1")
    result.stdout.no_fnmatch_line("*= report =*")
    assert not list(ladder.pytester.path.rglob("report.html"))


def test_steps_that_workers_collected_are_found_in_the_ladders() -> None:
    manager = SimpleNamespace(get_plugin=lambda name: SimpleNamespace(items=[]))
    config: Any = SimpleNamespace(pluginmanager=manager)
    assert specs_of(config, {"frontier/step2", "mine/tiny"}) == [steps()["frontier/step2"]]
