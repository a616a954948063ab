"""--update-records: runs go into the record, and what depends on it is written again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import report
from harness.errors import HarnessError
from harness.jobs import engines
from harness.jobs.job import Job, Update
from harness.provenance import provenance
from harness.step import Step
from harness.training import native
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.scripted import scripted
from spec.harness.plugin.tiny_ladder import EPOCH, NO_TERMINAL, Ladder, failure
from spec.harness.plugin.tiny_ladder import ladder as ladder


def made_here(step: type[Step]) -> dict[str, Any]:
    """The provenance of a run of the step that is trained on the processor."""
    return provenance(step, torch.device("cpu"))


@pytest.mark.thorough
def test_runs_are_added_to_the_record_and_the_session_fails_for_a_person_to_look(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-m", "slow", "--device", "cpu", "--trainer", "eager", "--update-records", "--seeds")
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.1, 99.2, made=made_here))
    monkeypatch.setattr(report, "rewrite", lambda: [Path("README.md")])
    result = ladder.run(*arguments, "2")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["wrote README.md; look at the difference"])
    monkeypatch.setattr(report, "rewrite", list)
    again = ladder.run(*arguments, "3")
    assert again.ret == 0
    assert [line.split()[2] for line in again.outlines if re.fullmatch(EPOCH, line)] == ["2"] * 4  # the new seed alone
    record = json.loads((ladder.pytester.path / "mine" / "records" / "tiny.json").read_text())
    assert [(run["seed"], run["epochs"][-1]["test_accuracy"]) for run in record["runs"]] == [
        (0, 99.0),
        (1, 99.1),
        (2, 99.2),
    ]
    result = ladder.run(*arguments, "3")
    result.stdout.fnmatch_lines(["SKIPPED * the record of mine/tiny has these seeds; ask for others *"])


@pytest.mark.thorough
def test_texts_and_report_are_written_also_without_a_terminal(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "rewrite", lambda: [Path("README.md")])
    arguments = ("-m", "slow", "--device", "cpu", "--trainer", "eager", "--seeds", "1", "--out", "files")
    result = ladder.run(*NO_TERMINAL, *arguments, "--update-records")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (ladder.pytester.path / "mine" / "records" / "tiny.json").exists()
    assert (ladder.pytester.path / "files" / "report.html").exists()
    assert "wrote README.md; look at the difference\n" in capfd.readouterr().err


def test_runs_with_another_provenance_are_refused_before_they_are_trained(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-m", "slow", "--device", "cpu", "--trainer", "eager", "--update-records", "--seeds")
    monkeypatch.setattr(engines, "work", scripted(99.0, made=made_here))
    monkeypatch.setattr(report, "rewrite", list)
    ladder.run(*arguments, "1").assert_outcomes(passed=1)
    monkeypatch.setattr(engines, "work", None)
    ladder.change("lr=0.05", "lr=0.5")
    result = ladder.run(*arguments, "2")
    refused = (
        r"tiny\.json was made with another network or recipe, fingerprint \w+ \(here \w+\); "
        r"start it anew with: .* train mine/tiny .* --replace"
    )
    assert re.search(refused, failure(result)[0])


@pytest.mark.thorough
def test_runs_on_a_gpu_are_added_beside_those_of_the_processor(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_on_gpu(step: type[Step], *_: object) -> dict[str, Any]:
        return {**made_here(step), "device": "cuda"}

    arguments = ("-m", "slow", "--device", "cpu", "--trainer", "eager", "--update-records", "--seeds", "2")
    records = ladder.pytester.path / "mine" / "records"
    monkeypatch.setattr(report, "rewrite", list)
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.1, made=made_here))
    ladder.run(*arguments).assert_outcomes(passed=1)
    before = (records / "tiny.json").read_bytes()
    monkeypatch.setattr(engines, "work", scripted(98.0, 98.1, made=made_on_gpu))
    monkeypatch.setattr(engines, "provenance", made_on_gpu)
    ladder.run(*arguments).assert_outcomes(passed=1)
    assert (records / "tiny.json").read_bytes() == before
    assert [run["seed"] for run in json.loads((records / "tiny.cuda.json").read_text())["runs"]] == [0, 1]


def test_a_run_that_fails_keeps_no_other_from_the_record(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(99.0, 99.1, made=made_here)

    def second_fails(job: Job, *rest: object) -> Iterator[Update]:
        started, *epochs = script(job, *rest)
        yield started
        yield from epochs if job.seeds == (0,) else [Update(None, {1: HarnessError("the loss is nan")})]

    monkeypatch.setattr(engines, "work", second_fails)
    monkeypatch.setattr(report, "rewrite", list)
    result = ladder.run("-m", "slow", "--device", "cpu", "--trainer", "eager", "--update-records", "--seeds", "2")
    assert failure(result)[0] == "the loss is nan"
    record = json.loads((ladder.pytester.path / "mine" / "records" / "tiny.json").read_text())
    assert [run["seed"] for run in record["runs"]] == [0]


def test_a_claim_that_cannot_be_read_fails_the_session(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Path]:
        raise HarnessError("mine/tiny: [claim: overfits] is not in the vocabulary")

    monkeypatch.setattr(report, "rewrite", refuse)
    result = ladder.run("-k", "test_parameters", "--update-records")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "mine/tiny: [claim: overfits] is not in the vocabulary" in result.outlines


@pytest.mark.thorough
def test_the_trainer_is_named_before_it_trains_and_is_in_the_record(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    monkeypatch.setattr(report, "rewrite", list)
    result = ladder.run("-m", "slow", "--device", "cpu", "--update-records", "--seeds", "1")
    result.assert_outcomes(passed=1)
    lines = [line for line in result.outlines if line.startswith("mine/tiny ")]
    assert lines[0] == "mine/tiny is trained by the native trainer"
    assert re.fullmatch(EPOCH, lines[1])
    record = json.loads((ladder.pytester.path / "mine" / "records" / "tiny.json").read_text())
    assert (record["provenance"]["trainer"], record["runs"][0]["made"]["compiler"]) == ("native", "gcc 14")
    monkeypatch.setattr(native, "native_trainer", None)  # nothing more is trained
    result = ladder.run("-m", "slow", "--device", "cpu", "--update-records", "--seeds", "2", "--trainer", "eager")
    refused = "tiny.json was made with trainer native (here eager); add to it with --trainer native, or start it anew"
    assert refused in failure(result)[0]


def test_what_is_not_trained_natively_fails_where_that_is_asked_for(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "refusal", lambda step: "there is no compiler")
    result = ladder.run("-m", "slow", "--device", "cpu", "--trainer", "native")
    result.assert_outcomes(failed=1)
    assert failure(result)[0] == ("mine/tiny cannot be trained natively: there is no compiler; use --trainer eager")


@pytest.mark.parametrize("options", ["--collect-only", "--setup-plan", "--setup-only", "--step=mine/none"])
def test_where_no_test_runs_no_text_is_written(ladder: Ladder, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    monkeypatch.setattr(report, "rewrite", None)  # which cannot be called
    result = ladder.run("-k", "test_parameters", "--update-records", options)
    assert result.ret == (pytest.ExitCode.USAGE_ERROR if "none" in options else pytest.ExitCode.OK)
    result.stdout.no_fnmatch_line("no test ran*")
