"""Baselines: saved per hardware, compared on the same hardware only, and never with invalid measurements.

The saved runs are written by pytest-benchmark and then changed by hand.
"""

import json
from typing import Any

import pytest
import torch

from harness.benchmark import baseline, throughput
from harness.benchmark.throughput import Watch
from harness.errors import HarnessError
from spec.harness.benchmark.short_rounds import Bench, section
from spec.harness.benchmark.short_rounds import bench as bench
from spec.harness.benchmark.short_rounds import short as short


def test_without_a_baseline_nothing_is_compared_and_that_is_said(bench: Bench) -> None:
    result = bench.run("--benchmark-compare", "--benchmark-compare-fail=median:5%")
    result.assert_outcomes(passed=1)
    *_, note = section(result)
    assert note == (
        "no baseline in file://./.benchmarks/NVIDIA-H200: compared with nothing; --benchmark-autosave makes one"
    )


@pytest.mark.parametrize("option", ["--benchmark-save=first", "--benchmark-autosave", "--benchmark-json=times.json"])
def test_where_nothing_was_timed_nothing_is_saved_and_that_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    def fail(*_: object) -> None:
        raise HarnessError("out of memory")

    monkeypatch.setattr(throughput, "measure", fail)
    result = bench.run(option)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert section(result) == ["nothing was timed, so nothing is saved"]
    assert bench.saved() == {}


@pytest.mark.thorough
def test_each_gpu_has_baselines_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run("--benchmark-save=first").assert_outcomes(passed=1)
    monkeypatch.setattr(baseline, "hardware", lambda device: "Tesla T4 (16 GB)")
    result = bench.run("--benchmark-compare", "--benchmark-save=other")
    assert section(result)[-1].startswith("no baseline in file://./.benchmarks/Tesla-T4-16-GB: ")
    assert bench.saved().keys() == {"NVIDIA-H200", "Tesla-T4-16-GB"}
    again = bench.run("--benchmark-compare")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines_random(["mine/tiny (0001_other) *", "mine/tiny (NOW) *"])
    refused = bench.run(f"--benchmark-compare={bench.saved()['NVIDIA-H200']}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in refused.errlines if line] == [
        "ERROR: --benchmark-compare: the baseline was measured on NVIDIA H200 and this is Tesla T4 (16 GB); "
        "times of different hardware are not compared"
    ]


def faster(content: dict[str, Any]) -> None:
    """Make a baseline a hundred times as fast as it was."""
    stats = content["benchmarks"][0]["stats"]
    content["benchmarks"][0]["stats"] = {
        key: value / 100 if isinstance(value, float) else value for key, value in stats.items()
    }


@pytest.mark.thorough
def test_slower_than_the_baseline_fails_unless_either_of_them_is_invalid(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = ("--benchmark-compare", "--benchmark-compare-fail=median:50%")
    bench.run("--benchmark-save=first")
    bench.change_saved("NVIDIA-H200", faster)
    worse = bench.run(*compare)
    assert worse.ret not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR)
    worse.stderr.fnmatch_lines(["Performance has regressed:"])

    doubt = "slowed down: sw_power_cap"
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "end", lambda watch: watch.doubts.append(doubt))
        invalid = bench.run(*compare, "--benchmark-json=invalid.json")
    invalid.assert_outcomes(passed=1)
    assert invalid.ret == 0
    assert section(invalid)[1].endswith(f"cpu, native; INVALID: {doubt}")
    [one] = json.loads((bench.path / "invalid.json").read_text())["benchmarks"]
    assert one["extra_info"]["invalid"] == [doubt]

    bench.change_saved("NVIDIA-H200", lambda content: content["benchmarks"][0]["extra_info"].update(invalid=[doubt]))
    assert bench.run(*compare).ret == 0


def invalid(content: dict[str, Any]) -> None:
    content["benchmarks"][0]["extra_info"]["invalid"] = ["slowed down: sw_power_cap"]


@pytest.mark.thorough
def test_an_invalid_run_is_no_baseline_though_it_is_the_newest(bench: Bench) -> None:
    bench.run("--benchmark-save=first")
    bench.change_saved("NVIDIA-H200", faster)
    bench.run("--benchmark-save=second")
    bench.change_saved("NVIDIA-H200", invalid)
    worse = bench.run("--benchmark-compare", "--benchmark-compare-fail=median:50%")
    worse.stdout.fnmatch_lines_random(["mine/tiny (0001_first) *", "mine/tiny (NOW) *"])
    worse.stderr.fnmatch_lines(["Performance has regressed:"])
    named = bench.run("--benchmark-compare=0002", "--benchmark-compare-fail=median:50%")
    assert (named.ret, section(named)[-1]) == (
        0,
        "mine/tiny is compared with nothing: the baseline has no valid time of it",
    )


@pytest.mark.thorough
def test_a_baseline_by_another_trainer_is_told_and_not_compared_with(bench: Bench) -> None:
    bench.run("--benchmark-save=first", "--trainer=eager")
    bench.change_saved("NVIDIA-H200", faster)
    result = bench.run("--benchmark-compare", "--benchmark-compare-fail=median:50%")
    assert result.ret == 0
    assert section(result)[-1] == (
        "mine/tiny is compared with nothing: of the baseline trainer was eager and is native"
    )
    assert section(bench.run("--trainer=eager"))[1].endswith("cpu, eager")


def test_a_baseline_of_another_driver_is_compared_with_and_told(bench: Bench) -> None:
    bench.run("--benchmark-save=first")
    bench.change_saved("NVIDIA-H200", lambda content: content["machine_info"].update(driver="470.82.01"))
    result = bench.run("--benchmark-compare")
    result.assert_outcomes(passed=1)
    assert section(result)[-1] == "the baseline differs in more than the code: driver was 470.82.01 and is None"


def test_a_database_is_named_as_it_is_and_left_to_pytest_benchmark() -> None:
    address = "elasticsearch+http://127.0.0.1:1/runs"
    assert baseline.storage(address, torch.device("cpu")) == address
    assert baseline.chosen(address, True) is True
