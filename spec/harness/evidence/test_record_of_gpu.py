"""What a GPU made stands beside what a CPU made, and neither takes the place of the other."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness import claims
from harness.errors import HarnessError
from harness.evidence import record, summary
from harness.evidence.record_folder import checksums
from harness.provenance import Device, provenance
from harness.run import Epoch, Run
from harness.step import Step
from spec.harness.evidence.records_of import step_with
from spec.harness.jobs import small
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call

MADE = {"fingerprint": "0123", "data": "4567", "trainer": "eager"}
CPU = {**MADE, "device": "cpu", "hardware": "AMD EPYC", "torch": "2.15.0"}
GPU = {**MADE, "device": "cuda", "hardware": "NVIDIA H100", "torch": "2.11.0", "precision": "ieee"}
NATIVE = {**CPU, "trainer": "native", "numerics": 1}


@pytest.fixture
def step(tmp_path: Path) -> type[Step]:
    """A step of six epochs that is said to stay below 99 %."""
    (tmp_path / "mine").mkdir()
    return step_with(tmp_path, "mine/tiny", "- It stays below. [claim: in every run stays below 99]")


def run(step: type[Step], seed: int, accuracy: float, made: dict[str, str]) -> Run:
    """A complete run with the same accuracy in every epoch."""
    epochs = tuple(Epoch(number, 99.0, accuracy, 0.1, 1.0, ((5, 6, 0),)) for number in range(1, 7))
    return Run(step, seed, epochs, provenance=made)


def accuracies(step: type[Step], device: Device = "cpu") -> list[float]:
    return [one.final[0] for one in record.runs(step, device)]


@pytest.mark.parametrize("cpu", [CPU, NATIVE], ids=["eager", "native"])
@pytest.mark.parametrize("replace", [False, True], ids=["added", "to replace"])
def test_a_gpu_has_a_record_of_its_own_and_the_other_stays_as_it_was(
    step: type[Step], tmp_path: Path, cpu: dict[str, str], replace: bool
) -> None:
    record.add(run(step, 0, 98.0, cpu))
    before = record.path_of(step).read_bytes()
    record.add(run(step, 0, 97.0, GPU), replace=replace)
    record.add(run(step, 1, 96.0, GPU), replace=replace)
    assert record.path_of(step).read_bytes() == before
    assert (accuracies(step), accuracies(step, "cuda")) == ([98.0], [97.0, 96.0])
    folder = tmp_path / "mine" / "records"
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.cuda.json", "tiny.json"]
    record.add(run(step, 0, 98.5, cpu), replace=True)
    assert (accuracies(step), accuracies(step, "cuda")) == ([98.5], [97.0, 96.0])
    names = [line.split("  ")[1] for line in checksums(folder).splitlines()]
    assert names == ["tiny.cuda.json", "tiny.json"]


def test_what_is_new_and_what_is_refused_is_asked_of_the_record_of_that_device(step: type[Step]) -> None:
    for seed in (0, 1):
        record.add(run(step, seed, 98.0, CPU))
    record.add(run(step, 2, 97.0, GPU))
    assert record.unrecorded(step, GPU, range(4)) == [0, 1, 3]
    assert record.unrecorded(step, CPU, range(4)) == [2, 3]
    assert record.refusals(step, GPU, [0, 1]) == {}
    twice = record.refusals(step, GPU, [1, 2])
    assert list(twice) == [2]
    assert "tiny.cuda.json has seed 2 already" in twice[2]
    assert "python -m harness train mine/tiny --device cuda --seed 2 --record --replace" in twice[2]
    with pytest.raises(HarnessError, match=r"tiny\.cuda\.json was made with precision ieee \(here tf32\); start it "):
        record.check(step, {**GPU, "precision": "tf32"}, [3])


def test_claims_and_the_measured_line_are_of_the_cpu(step: type[Step]) -> None:
    claim = "in every run stays below 99"
    for seed in range(6):
        record.add(run(step, seed, 99.9, GPU))
    assert claims.verdicts(step)[claim].n == 0
    assert summary.measured(step) is None
    for seed in range(6):
        record.add(run(step, seed, 98.0, CPU))
    assert claims.verdicts(step)[claim].word == "supported"
    assert "EPYC, torch 2.15.0" in (summary.measured(step) or "")


@pytest.mark.parametrize(("device", "made"), [("cpu", GPU), ("cuda", CPU), ("cuda", NATIVE)])
def test_a_record_in_the_place_of_the_other_is_refused(step: type[Step], device: Device, made: dict[str, str]) -> None:
    record.add(run(step, 0, 98.0, made))
    other: Device = "cuda" if device == "cpu" else "cpu"
    record.path_of(step, other).rename(record.path_of(step, device))
    belongs = record.path_of(step, other).name
    with pytest.raises(HarnessError, match=f" has runs made on {other}, which belong in {belongs}$"):
        record.read(step, device)


def test_a_stale_record_of_a_gpu_is_named_too(call: Call) -> None:
    gpu = {**provenance(Plain, torch.device("cpu")), "device": "cuda"}
    record.add(replace(small.run_of(0), provenance=gpu))
    assert record.stale(Plain) == ""
    path = record.path_of(Plain, "cuda")
    path.write_text(path.read_text().replace(gpu["fingerprint"], "0" * 16))
    assert record.stale(Plain).startswith(f"{path} is of another network or recipe than small/plain has now; ")
