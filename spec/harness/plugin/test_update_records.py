"""--update-records: runs go into the record, and what depends on it is written again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import report
from harness.errors import HarnessError
from harness.jobs import engines
from harness.provenance import provenance
from harness.step import Step
from spec.harness.jobs.scripted import scripted
from spec.harness.plugin.tiny_ladder import EPOCH, Ladder, failure
from spec.harness.plugin.tiny_ladder import ladder as ladder


def made_here(step: type[Step]) -> dict[str, Any]:
    """The provenance of a run of the step that is trained on the processor."""
    return provenance(step, torch.device("cpu"))


def test_runs_are_added_to_the_record_and_the_session_fails_for_a_person_to_look(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-m", "slow", "--device", "cpu", "--update-records", "--seeds")
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
    result.stdout.fnmatch_lines(["SKIPPED * the record of mine/tiny has these seeds; ask for more *"])


def test_runs_with_another_provenance_are_refused_before_they_are_trained(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("-m", "slow", "--device", "cpu", "--update-records", "--seeds")
    monkeypatch.setattr(engines, "work", scripted(99.0, made=made_here))
    monkeypatch.setattr(report, "rewrite", list)
    ladder.run(*arguments, "1").assert_outcomes(passed=1)
    monkeypatch.setattr(engines, "work", None)
    ladder.change("lr=0.05", "lr=0.5")
    result = ladder.run(*arguments, "2")
    refused = (
        r"tiny\.json was made with fingerprint \w+ \(here \w+\); start it anew with: .* train mine/tiny .* --replace"
    )
    assert re.search(refused, failure(result)[0])


def test_a_claim_that_cannot_be_read_fails_the_session(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Path]:
        raise HarnessError("mine/tiny: [claim: overfits] is not in the vocabulary")

    monkeypatch.setattr(report, "rewrite", refuse)
    result = ladder.run("-k", "test_parameters", "--update-records")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "mine/tiny: [claim: overfits] is not in the vocabulary" in result.outlines
