"""The plugin: pytest on a ladder in its own folder."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch

from harness import data
from harness.device import cores
from harness.jobs import engines
from spec.harness.jobs.scripted import scripted
from spec.harness.plugin.tiny_ladder import EPOCH, NO_TERMINAL, SPEC, Ladder, failure, table
from spec.harness.plugin.tiny_ladder import ladder as ladder
from spec.harness.support.paths import ROOT

REAL_LOAD = data.load

# A worker of xdist is another process: this conftest scripts what it trains, and keeps it from loading torch.
SCRIPTED = """
import sys
from types import SimpleNamespace

import pytest

from harness.run import Epoch, Run


def choose(word, step, device):
    return SimpleNamespace(name=word, line=lambda step: f"{step.id} is trained by {word}")


def engine_of(name, device):
    return SimpleNamespace(device=device)


def run_jobs(request, engine, data, on_epoch):
    step, seeds, *_ = request
    epochs = tuple(Epoch(n, 98.5, 98.9 + n / 10, 0.05, 1.0 + n) for n in range(1, 5))
    runs = [Run(step, seed, epochs) for seed in seeds]
    for run in runs:
        for epoch in epochs:
            on_epoch(step, run.seed, epoch)
    return runs


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    jobs = SimpleNamespace(Request=lambda *all: all, Resumable=tuple, engine_of=engine_of, run_jobs=run_jobs)
    monkeypatch.setitem(sys.modules, "harness.data", SimpleNamespace(load=str))
    monkeypatch.setitem(sys.modules, "harness.jobs", jobs)
    monkeypatch.setitem(sys.modules, "harness.training.choice", SimpleNamespace(choose=choose))
    monkeypatch.setattr("harness.evidence.record.runs", lambda step: ())
"""


def test_the_options_and_the_command_line_load_without_torch() -> None:
    code = "import sys, harness.__main__, harness.plugin\n"
    code += "for module in harness.plugin.pytest_plugins: __import__(module)\n"
    code += "print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_help_lists_the_options(ladder: Ladder) -> None:
    result = ladder.run("--help")
    options = ["--device", "--seeds", "--epochs", "--data", "--out", "--update-records", "--require-gpu"]
    options.append("--profile")
    result.stdout.fnmatch_lines(["ladders of small networks:", *(f"  {option}*" for option in options)])


@pytest.mark.parametrize("marker", ["slow", "gpu"])
def test_the_accuracy_spec_alone_is_marked(ladder: Ladder, marker: str) -> None:
    chosen = ladder.run("--collect-only", "-q", "-m", marker)
    assert [line for line in chosen.outlines if "::" in line] == ["mine/test_01_tiny.py::TestTiny::test_accuracy"]
    assert chosen.ret == 0
    others = ladder.run("--collect-only", "-q", "-m", f"not {marker}")
    assert {line.rpartition("::")[2] for line in others.outlines if "::" in line} >= {"test_docstring", "test_learns"}
    others.stdout.no_fnmatch_line("*test_accuracy*")


def test_what_is_fast_passes_and_what_needs_a_gpu_is_skipped_with_a_reason(ladder: Ladder) -> None:
    result = ladder.run()
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed", "skipped"}
    assert (outcomes["skipped"], result.ret) == (1, 0)
    result.stdout.fnmatch_lines(["SKIPPED * no CUDA device; run on the CPU with --device cpu"])


def test_a_selection_that_runs_nothing_fails(ladder: Ladder) -> None:
    result = ladder.run("-m", "gpu")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["no test ran: all that were selected were skipped"])


def test_it_fails_also_where_no_terminal_shows_it(ladder: Ladder) -> None:
    assert ladder.run(*NO_TERMINAL, "-m", "gpu").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert ladder.run(*NO_TERMINAL, "-k", "test_parameters").ret == 0


def test_where_a_required_gpu_is_missing_nothing_starts_and_one_line_says_what_lacks(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    result = ladder.run("-m", "gpu", "--require-gpu")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lacks = f"torch {torch.__version__} was built without CUDA; install one that was built with it"
    assert [line for line in result.errlines if line] == [f"ERROR: --require-gpu: {lacks}"]
    result.stdout.no_fnmatch_line("*collected*")


def test_a_device_that_is_missing_is_one_line(ladder: Ladder) -> None:
    result = ladder.run("-m", "gpu", "--device", "cuda")
    result.assert_outcomes(failed=1)
    [line] = failure(result)
    assert re.fullmatch(r"cuda was asked for, but torch \S+ can use no CUDA device; use --device cpu", line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--device banana", "--device: unknown device 'banana'; use auto, cpu, cuda or cuda:N"),
        ("--device cuda:", "--device: unknown device 'cuda:'; use auto, cpu, cuda or cuda:N"),
        ("--seeds x", "--seeds: 'x' is not a whole number of 1 or more"),
        ("--seeds 0", "--seeds: '0' is not a whole number of 1 or more"),
        ("--seeds 100001", "--seeds: 100001 is too large; the largest is 100000"),
        ("--seed 9223372036854775808", "--seed: 9223372036854775808 is too large; the largest is 9223372036854775807"),
        (f"--epochs {'9' * 5000}", f"--epochs: {'9' * 30} is too large; the largest is 2147483647"),
        ("--epochs 0", "--epochs: '0' is not a whole number of 1 or more"),
        ("--epochs 1.5", "--epochs: '1.5' is not a whole number of 1 or more"),
        ("--data=", "--data: '' is not the name of a file or a folder"),
        ("--out=", "--out: '' is not the name of a file or a folder"),
        ("--require-gpu --device cpu", "--require-gpu and --device cpu contradict each other; leave one of them out"),
        ("--update-records --epochs 2", "--update-records keeps complete runs only; leave out --epochs"),
    ],
)
def test_bad_usage_is_one_line(ladder: Ladder, arguments: str, message: str) -> None:
    result = ladder.run(*arguments.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]


@pytest.mark.thorough
def test_a_run_on_the_cpu_prints_each_epoch_and_ends_with_the_table(ladder: Ladder) -> None:
    result = ladder.run("-m", "gpu", "--device", "cpu", "--seeds", "2", "--out", "files")
    result.assert_outcomes(passed=1)
    epochs = [match.groups() for line in result.outlines if (match := re.fullmatch(EPOCH, line))]
    assert epochs == [(seed, epoch) for seed in "01" for epoch in "1234"]
    header, row = table(result)
    assert header == ["step", "parameters", "RF", "final mean", "worst", "held", "s/epoch"]
    assert (row[:3], row[5]) == (["mine/tiny", "100", "28"], "0 of 2")
    files = sorted((ladder.pytester.path / "files" / "mine" / "tiny").iterdir())
    assert [len(file.read_text().splitlines()) for file in files] == [5, 5]


def test_a_shortened_run_is_no_verdict(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "work", scripted(10.0))
    ladder.change("epochs=4)", "epochs=4)\n    goal = True")
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "1", "--epochs", "3")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * shortened to 3 of 4 epochs: no verdict"])
    assert table(result)[1] == ["mine/tiny", "100", "28", "10.00", "10.00", "no verdict", "2.0"]


@pytest.mark.thorough
def test_more_epochs_than_the_recipe_has_are_those_of_the_recipe(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "work", scripted(99.0))
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "1", "--epochs", "9")
    result.assert_outcomes(passed=1)
    assert len([line for line in result.outlines if re.fullmatch(EPOCH, line)]) == 4


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("goal", "accuracies", "held", "message"),
    [
        (True, (99.41, 99.40, 99.45, 99.52, 99.44), "5 of 5", None),
        (True, (99.41, 99.39, 99.45, 99.52, 99.44), "4 of 5", "claims the goal, but 4 of 5"),
        (False, (99.41, 99.40, 99.45, 99.52, 99.44), "5 of 5", "is not expected to hold the goal, but 5 of 5"),
        (False, (99.10, 99.12, 99.08, 99.40, 99.11), "1 of 5", None),
    ],
)
def test_runs_that_contradict_the_step_fail_it_in_both_directions(
    ladder: Ladder,
    monkeypatch: pytest.MonkeyPatch,
    goal: bool,
    accuracies: tuple[float, ...],
    held: str,
    message: str | None,
) -> None:
    monkeypatch.setattr(engines, "work", scripted(*accuracies))
    ladder.change("epochs=4)", f"epochs=4)\n    goal = {goal}")
    result = ladder.run("-m", "slow", "--device", "cpu")
    if message is None:
        result.assert_outcomes(passed=1)
    else:
        result.assert_outcomes(failed=1)
        assert failure(result) == [f"mine/tiny {message} runs held 99.40 % in each of their final 3 epochs"]
    mean, worst = f"{sum(accuracies) / 5:.2f}", f"{min(accuracies):.2f}"
    assert table(result)[1] == ["mine/tiny", "100", "28", mean, worst, held, "2.0"]


@pytest.mark.thorough
def test_a_goal_that_the_record_refutes_is_an_expected_failure(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite stays green, and says how many runs held."""
    monkeypatch.setattr(engines, "work", scripted(99.41, 99.39, 99.45, 99.52, 99.44))
    refuted = '{"in every run holds the goal": "refuted"}'
    ladder.change("epochs=4)", f"epochs=4)\n    goal = True\n    claims = {refuted}")
    result = ladder.run("-m", "slow", "--device", "cpu")
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL * mine/tiny is said to hold the goal, * 4 of 5 runs held 99.40 %*"])
    assert table(result)[1][5] == "4 of 5"


@pytest.mark.parametrize(
    ("old", "new", "test", "message"),
    [
        (
            "    Analysis:\n        - It is small.\n",
            "",
            "test_docstring",
            "mine/tiny: the docstring has no Analysis section; write 'Analysis:' and text under it",
        ),
        ("= 100", "= 99", "test_docstring", "mine/tiny: Result says parameters 100, the spec 99"),
        ("= 100", "= 99", "test_parameters", "mine/tiny has 100 parameters, its spec says 99"),
        ("= 28", "= 26", "test_receptive_field", "mine/tiny sees 28 x 28 pixels, its spec says 26 x 26"),
        ("(1, 10, 3)", "(1, 5, 3)", "test_learns", "mine/tiny: the model turns 2 x 1 x 28 x 28 into 2 x 5, not 2 x 10"),
    ],
)
def test_a_spec_that_is_wrong_fails_with_one_line(ladder: Ladder, old: str, new: str, test: str, message: str) -> None:
    ladder.change(old, new)
    result = ladder.run("-m", "not slow", "-k", test)
    result.assert_outcomes(failed=1)
    assert failure(result) == [message]


def test_an_assertion_that_is_not_of_the_harness_keeps_its_traceback(ladder: Ladder) -> None:
    ladder.write(SPEC + "\n    def test_mine(self):\n        assert self.parameters < 50\n")
    result = ladder.run("-k", "test_mine")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">       assert self.parameters < 50", "mine/test_01_tiny.py:*: AssertionError"])


def test_a_damaged_data_folder_is_one_line(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", REAL_LOAD)
    folder = ladder.pytester.mkdir("damaged")
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (folder / name).write_bytes(b"\0\0\x08\x03")
    result = ladder.run("-m", "slow", "--device", "cpu", "--data", "damaged")
    result.assert_outcomes(failed=1)
    [line] = failure(result)
    assert re.match(r"damaged .*train-images-idx3-ubyte", line)


def test_records_that_cannot_be_written_are_one_line(ladder: Ladder) -> None:
    (ladder.pytester.path / "file").touch()
    result = ladder.run("-m", "slow", "--device", "cpu", "--out", "file/runs")
    result.assert_outcomes(failed=1)
    assert failure(result) == ["cannot write run files to file/runs: Not a directory; name another folder with --out"]


@pytest.mark.parametrize("how", ["option", "marker"])
def test_an_accuracy_spec_is_not_repeated_until_it_passes(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    pytest.importorskip("pytest_rerunfailures")
    monkeypatch.setattr(engines, "work", None)  # a failure of another kind, were it called
    rerunning = ["-p", "pytest_rerunfailures", *(["--reruns", "1"] if how == "option" else [])]
    if how == "marker":
        ladder.change("class TestTiny", "import pytest\n\n@pytest.mark.flaky(reruns=2)\nclass TestTiny")
    result = ladder.run("-m", "slow", "--device", "cpu", *rerunning)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(["--reruns repeats a measurement until it passes, which proves nothing; leave it out"])


def test_other_tests_may_be_repeated(ladder: Ladder) -> None:
    pytest.importorskip("pytest_rerunfailures")
    result = ladder.run("-p", "pytest_rerunfailures", "--reruns", "1", "-k", "test_parameters")
    result.assert_outcomes(passed=1)


def test_the_evidence_is_in_the_junit_file(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "work", scripted(99.45, 99.35, first=90.0))
    result = ladder.run("-m", "slow", "--device", "cpu", "--seeds", "2", "--junitxml=junit.xml")
    result.assert_outcomes(passed=1)
    [evidence] = ElementTree.parse(ladder.pytester.path / "junit.xml").iter("property")
    assert evidence.get("name") == "accuracy"
    assert json.loads(evidence.get("value", "")) == {
        "step": "mine/tiny",
        "parameters": 100,
        "receptive_field": 28,
        "final": [[99.45] * 3, [99.35] * 3],
        "mean": pytest.approx(99.4),
        "worst": 99.35,
        "held": 1,
        "complete": True,
        "verdict": "1 of 2",
        "seconds": 2.0,
    }


@pytest.mark.end_to_end
def test_epochs_and_table_come_through_workers(ladder: Ladder, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xdist")
    ladder.pytester.makeconftest(SCRIPTED)
    result = ladder.run("-p", "xdist", "-n", "2", "-m", "slow", "--device", "cpu", "--seeds", "2")
    result.assert_outcomes(passed=1)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mine/")]
    found = [match.groups() for line in lines if (match := re.fullmatch(EPOCH, line))]
    assert lines[0] == "mine/tiny is trained by auto"
    assert found == [(seed, epoch) for seed in "01" for epoch in "1234"]
    assert table(result)[1] == ["mine/tiny", "100", "28", "99.20", "99.10", "0 of 2", "3.5"]


@pytest.mark.end_to_end
def test_workers_share_the_processors(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    ladder.pytester.makepyfile(
        test_threads=f"""
        import os, torch
        def test_threads():
            assert torch.get_num_threads() == max(1, {cores()} // 2)
            assert os.environ["OMP_NUM_THREADS"] == str(max(1, {cores()} // 2))
        """
    )
    result = ladder.pytester.runpytest_subprocess("-p", "xdist", "-n", "2", "-p", "harness.plugin", "test_threads.py")
    result.assert_outcomes(passed=1)
