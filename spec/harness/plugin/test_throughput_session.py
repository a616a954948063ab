"""A session that times a ladder of one step: what it trains, prints, writes and refuses.

pytest runs inside pytest. Training steps are counted, and rates are computed again from the times that were written.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.plugin import throughput
from harness.plugin.user_properties import RAN
from spec.harness.benchmark.short_rounds import SPEC, Bench, Cuda, section
from spec.harness.benchmark.short_rounds import bench as bench
from spec.harness.benchmark.short_rounds import cuda as cuda
from spec.harness.benchmark.short_rounds import short as short
from spec.harness.plugin.tiny_ladder import Ladder


def test_it_is_marked_and_not_among_the_fast_tests(bench: Bench) -> None:
    for marker in ("slow", "gpu"):
        chosen = bench.run("--collect-only", "-q", "-m", marker)
        assert [line for line in chosen.outlines if "::" in line] == ["mine/test_01_tiny.py::TestTiny::test_throughput"]
        assert "passed" not in bench.run("-m", f"not {marker}").parseoutcomes()


def test_without_a_gpu_it_is_skipped_with_a_reason(bench: Bench) -> None:
    result = bench.run("--device=auto")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * no CUDA device; run on the CPU with --device cpu"])


def test_no_more_steps_are_trained_than_the_rounds_have(bench: Bench, cuda: Cuda) -> None:
    """4 rounds of 2 steps; a benchmark that calibrates itself would train more."""
    bench.run().assert_outcomes(passed=1)
    assert cuda.calls == 8 * ["step"]


def test_the_rate_is_that_of_the_median_round_and_is_written_with_what_it_depends_on(bench: Bench) -> None:
    result = bench.run("--benchmark-json=not/yet/made.json")
    result.assert_outcomes(passed=1)
    written = json.loads((bench.path / "not" / "yet" / "made.json").read_text())
    [one] = written["benchmarks"]
    first, median, last = sorted(one["stats"]["data"])
    assert 0 < first <= median <= last
    info = one["extra_info"]
    assert info["images_per_second"] == pytest.approx(2 * 32 / median)
    assert info["seconds_per_step"] == pytest.approx(median / 2)
    assert (info["batch_size"], info["steps_per_round"], info["parameters"]) == (32, 2, 100)
    assert (info["invalid"], info["device_seconds"], info["peak_memory"]) == ([], [], None)
    assert info["threads"] == torch.get_num_threads()
    assert (one["group"], one["name"]) == ("mine", "mine/tiny")
    machine = written["machine_info"]
    version, _, _ = torch.__version__.partition("+")
    assert (machine["hardware"], machine["torch"], machine["driver"]) == ("NVIDIA H200", version, None)
    header, row = section(result)
    assert header.split() == ["step", "images/s", "ms/step", "peak", "MiB", "device"]
    assert row.split()[:2] == ["mine/tiny", f"{64 / median:,.0f}"]
    assert row.split()[3:] == ["-", "cpu,", info["trainer"]]


def test_disabled_benchmarks_train_one_round_and_say_that_nothing_was_timed(bench: Bench, cuda: Cuda) -> None:
    result = bench.run("--benchmark-disable")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * --benchmark-disable: trained, and not timed"])
    assert cuda.calls == 2 * ["step"]


def test_a_file_that_is_tried_before_the_measurement_stays_as_it_was(bench: Bench) -> None:
    (bench.path / "times.json").write_text("old")
    bench.run("--benchmark-json=times.json", "--benchmark-skip").assert_outcomes(skipped=1)
    assert (bench.path / "times.json").read_text() == "old"
    bench.run("--benchmark-json=new.json", "--benchmark-skip").assert_outcomes(skipped=1)
    assert [path.name for path in bench.path.glob("*.json*")] == ["times.json"]


def test_without_pytest_benchmark_it_is_skipped_with_a_reason(bench: Bench) -> None:
    result = Ladder.run(bench, "-k", "throughput", "--device=cpu")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * nothing is timed without pytest-benchmark; leave out -p no:benchmark, *"])


@pytest.mark.thorough
def test_under_xdist_it_fails_and_does_not_pass_in_silence(bench: Bench) -> None:
    pytest.importorskip("xdist")
    result = bench.run("-p", "xdist", "-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nothing can be timed beside other workers; use -n 0, or -k 'not throughput'"])


def test_a_device_that_is_missing_is_one_failure(bench: Bench) -> None:
    result = bench.run("--device=cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["cuda was asked for, but torch * can use no CUDA device; use --device cpu"])


def test_a_network_that_diverges_is_not_timed(bench: Bench) -> None:
    bench.write(SPEC.replace("0.05", "1e38"))
    result = bench.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["mine/tiny: the loss became *; a network that diverged is not timed"])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "folder"),
    [("--profile", "runs/profile"), ("--profile mine", "runs/profile"), ("--out traces --profile", "traces/profile")],
)
def test_a_profile_is_written_after_the_measurement(bench: Bench, cuda: Cuda, options: str, folder: str) -> None:
    result = bench.run(*options.split())
    result.assert_outcomes(passed=1)
    names = [path.name.partition(".")[2].partition(".")[2] for path in (bench.path / folder / "mine/tiny").iterdir()]
    assert sorted(names) == ["operators.txt", "perfetto.json.gz", "pt.trace.json.gz"]
    result.stdout.fnmatch_lines([f"mine/tiny, 3 training steps; all operators are in {folder}/mine/tiny/cpu.*.txt"])
    result.stdout.re_match_lines([r" +aten::\w*convolution\w* .*"])
    assert len(cuda.calls) == 8 + 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--benchmark-compare-fail=median:5%",
            "--benchmark-compare-fail needs --benchmark-compare, which says with what",
        ),
        (
            "--benchmark-save=x --device=cuda",
            f"cuda was asked for, but torch {torch.__version__} can use no CUDA device; use --device cpu",
        ),
        ("--benchmark-json=", "cannot write .: Is a directory; name another file"),
        ("--benchmark-json=mine", "cannot write mine: Is a directory; name another file"),
        ("--benchmark-json=file/y.json", "cannot write file/y.json: Not a directory; name another file"),
        ("--benchmark-json=file/x/y.json", "cannot write file/x/y.json: Not a directory; name another file"),
        (
            "--benchmark-save=x --benchmark-storage=file",
            "cannot write file/NVIDIA-H200/x.json: Not a directory; name another folder with --benchmark-storage",
        ),
    ],
)
def test_bad_usage_is_one_line(bench: Bench, arguments: str, message: str) -> None:
    (bench.path / "file").touch()
    result = bench.run(*arguments.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]


def test_a_line_has_milliseconds_and_mebibytes_in_the_order_of_the_files() -> None:
    def ran(file: str, step: str) -> Any:
        row = {"step": step, "images_per_second": 64_000.0, "seconds_per_step": 0.00125, "peak_memory": 3 << 20}
        row |= {"device": "cuda:0", "trainer": "eager", "invalid": ["hot"], "unknown": ["alone?"]}
        return SimpleNamespace(nodeid=f"{file}::T::test_throughput", user_properties=[("throughput", json.dumps(row))])

    lines: list[str] = []
    reports = [ran("mine/test_02_b.py", "mine/b"), ran("mine/test_01_a.py", "mine/a")]
    stash = {RAN: SimpleNamespace(reports=reports), throughput.NOTES: ["a note"]}
    terminal = SimpleNamespace(config=SimpleNamespace(stash=stash), section=lines.append, write_line=lines.append)
    throughput.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    rest = ["64,000", "1.250", "3", "cuda:0,", "eager;", "INVALID:", "hot;", "alone?"]
    assert [line.split() for line in lines[2:4]] == [["mine/a", *rest], ["mine/b", *rest]]
    assert lines[4:] == ["a note"]
