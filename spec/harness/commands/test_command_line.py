"""The command line: bad usage is one line, whichever verb it is of."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import data, discovery, report
from harness.__main__ import main
from harness.provenance import fingerprint
from spec.harness.commands.workplace import Call, Claim, Tiny
from spec.harness.commands.workplace import call as call
from spec.harness.commands.workplace import workplace as workplace
from spec.harness.evidence.records_of import keep
from spec.harness.support.paths import ROOT

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
USAGE = r" \(see python -m harness( \w+)? --help\)"
TRAINER = r"mine/\w+ is trained by .*\n"
REAL_LOAD = data.load


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "tarin",
            rf"python -m harness: error: argument VERB: invalid choice: 'tarin' \(choose from .*train.*\){USAGE}",
        ),
        ("train", rf"python -m harness train: error: the following arguments are required: ID{USAGE}"),
        ("train mine/tinny", "python -m harness train: error: unknown step 'mine/tinny'; nearest: mine/tiny.*"),
        ("show mine/tinny", "python -m harness show: error: unknown step 'mine/tinny'; nearest: mine/tiny.*"),
        ("train mine/tiny --device banana", rf".* --device: unknown device 'banana'; use auto, .* or cuda:N{USAGE}"),
        ("train mine/tiny --device cuda:01", rf".* --device: unknown device 'cuda:01'; use auto, .* or cuda:N{USAGE}"),
        ("train mine/tiny --device cpu:1", rf".* --device: unknown device 'cpu:1'; use auto, .* or cuda:N{USAGE}"),
        (
            "train mine/tiny --device cuda",
            ".* cuda was asked for, but torch .* can use no CUDA device; use --device cpu",
        ),
        (
            "train mine/tiny --seed 1 x",
            rf".* --seed: 'x' is not a seed; .* or more, and other words before --seed{USAGE}",
        ),
        ("train mine/tiny --seed -1", rf".* --seed: '-1' is not a seed; give whole numbers of 0 or more, .*{USAGE}"),
        ("train --seeds 3 mine/tiny", rf".* --seeds: one number, how many; put mine/tiny before it{USAGE}"),
        ("train mine/tiny --seeds -1", rf".* --seeds: '-1' is not a whole number of 1 or more{USAGE}"),
        ("train mine/tiny --seeds 0", rf".* --seeds: '0' is not a .* of 1 or more; for seed 0: --seed 0{USAGE}"),
        ("train mine/tiny --seeds 0 7", rf".* --seeds: one number, how many; for these seeds: --seed 0 7{USAGE}"),
        ("train mine/tiny --seeds 1000001", rf".* --seeds: 1000001 is too large; the largest is 100000{USAGE}"),
        ("train mine/tiny --seeds 2 --seed 1", rf".* --seed: not allowed with argument --seeds{USAGE}"),
        ("train mine/tiny --csv no/such/folder/x", ".* cannot write no/such/folder/x: there is no such folder.*"),
        ("train mine/tiny --seed 0 1 0", rf".* a seed is given twice; each seed counts once{USAGE}"),
        ("train mine/tiny --seed 0 --seed 1 0", rf".* a seed is given twice; each seed counts once{USAGE}"),
        ("train mine/tiny --epochs 0", rf".* --epochs: '0' is not a whole number of 1 or more{USAGE}"),
        ("train mine/tiny --epochs 5", ".* --epochs 5 is more than the 4 of the recipe"),
        (
            "train mine/tiny mine/wide --recrod",
            rf"python -m harness train: error: unrecognized arguments: mine/wide --recrod{USAGE}",
        ),
        ("train mine/tiny --tensorboard file", rf"{TRAINER}.* cannot write file: File exists; name another folder"),
        ("train mine/tiny --replace", ".* --replace is about the committed record; give --record as well"),
        ("train mine/tiny --epochs 2 --record", ".* --record keeps complete runs only; leave out --epochs"),
        ("train mine/tiny --profile --epochs 2", ".* --profile takes a few steps and makes no run; leave out --epochs"),
        ("train mine/tiny --profile --record", ".* --profile takes a few steps and makes no run; leave out --record"),
        ("train mine/tiny --profile --seeds 2", ".* --profile takes a few steps and makes no run; leave out --seeds"),
        ("train mine/tiny --profile --trainer eager", ".* makes no run; leave out --trainer"),
        ("train mine/tiny --profile --data .", ".* makes no run; leave out --data"),
        ("train mine/tiny --profile --ray-address x:1", ".* makes no run; leave out --ray-address"),
        ("train mine/held --record --replace", ".* mine/held is judged on training images that its recipe holds out.*"),
        ("report --plot x -o y", rf".* argument -o/--out: not allowed with argument --plot{USAGE}"),
        ("train mine/tiny --trainer mine", rf".* argument --trainer: invalid choice: 'mine' \(choose from .*\){USAGE}"),
        (
            "train mine/tiny --out file/runs",
            rf"{TRAINER}.* cannot write run files to file/runs: Not a directory; name another folder with --out",
        ),
        ("train mine/wide", r".* mine/wide: the model turns 2 x 1 x 28 x 28 into 2 x 5, not 2 x 10"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(call: Call, workplace: Path, line: str, message: str) -> None:
    (workplace / "file").touch()
    status, out, err = call(line)
    assert (status, out) == (2, "")
    assert re.fullmatch(f"{message}\n", err)
    assert [path.name for path in workplace.iterdir()] == ["file"]


@pytest.mark.parametrize("line", ["train mine/tiny --data damaged", "data --data damaged"])
def test_a_damaged_data_folder_is_one_line_and_status_2(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr(data, "load", REAL_LOAD)
    (workplace / "damaged").mkdir()
    for name in FILES:
        (workplace / "damaged" / name).write_bytes(b"\0\0\x08\x03")
    status, out, err = call(line)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"python -m harness \w+: error: damaged .*train-images-idx3-ubyte.*\n", err)
    assert [path.name for path in workplace.iterdir()] == ["damaged"]


def test_two_specs_with_one_id_are_one_line_and_status_2(workplace: Path) -> None:
    folder = workplace / "spec" / "mine"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    for number in (1, 2):
        (folder / f"test_0{number}_tiny.py").write_text("from harness import StepSpec\nclass Test(StepSpec): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "show", "mine/tiny"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "python -m harness show: error: two specs have the id mine/tiny: spec.mine.test_01_tiny and "
        "spec.mine.test_02_tiny; give each step a file of its own\n"
    )


def test_data_ends_with_the_folder(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "folder", lambda path=None: Path("/somewhere/mnist"))
    status, out, _ = call("data")
    assert (status, out.splitlines()[-1]) == (0, "/somewhere/mnist")


def test_a_report_of_one_step_is_not_said_to_be_of_steps(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands.report.steps", lambda: {"mine/tiny": Tiny})
    monkeypatch.setattr("harness.report.html", lambda *_: "")
    assert call("report") == (0, "report.html\n", "report.html: 1 step\n")


def test_a_command_that_was_interrupted_is_not_interrupted_again(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed after its last line would show in tracebacks of the end of the interpreter.

    A caller within Python, which does not end, hears it as before.
    """

    def interrupted(path: str | None) -> None:
        raise KeyboardInterrupt("as a network may raise it")

    monkeypatch.setattr(data, "load", interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert call("train mine/tiny") == (130, "", "python -m harness train: interrupted\n")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["harness", "train", "mine/tiny"])
    assert main() == 130
    signal.raise_signal(signal.SIGINT)


def test_a_command_under_nohup_outlives_its_terminal(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(sys, "argv", ["harness", "show", "mine/tiny"])
    try:
        assert main() == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # so that the next one kills, whatever is done then
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("package", ["numpy", "torch"])
def test_a_file_that_is_named_as_a_package_that_we_load_is_one_line(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "rf", "five_steps/step5"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    message = f"{package}.py, here, is taken for the package {package}; rename it"
    assert done.stderr == f"python -m harness rf: error: {message}\n"


def test_a_file_that_is_named_as_a_module_of_python_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "random.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "show"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(tmp_path / "random.py") in done.stderr
    assert re.search("rename it$|consider renaming", done.stderr)  # by us, or by Python itself


@pytest.mark.parametrize("line", ["show mine/tiny", "compare mine/tiny mine/claim", "report"])
def test_figures_of_a_record_that_is_no_longer_of_its_step_are_said_to_be_that(
    line: str, call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.commands.report.steps", discovery.steps)
    monkeypatch.setattr(report, "html", lambda *_: "")  # what is on the page is tested elsewhere
    monkeypatch.setattr(data, "load_test_images", lambda: None)
    for step in (Tiny, Claim):
        keep(step, {seed: ([98.0] * 4, [99.0] * 4) for seed in (0, 7)}, fingerprint=fingerprint(step))
    assert call(line)[0] == 0
    assert "another network or recipe" not in call(line)[2]
    monkeypatch.setattr(Tiny, "recipe", replace(Tiny.recipe, lr=0.06))
    status, _, err = call(line)
    assert status == 0
    assert err.splitlines()[-1] == (
        f"{workplace}/mine/records/tiny.json is of another network or recipe than mine/tiny has now; take the change "
        "back, or train it again with: python -m harness train mine/tiny --seed 0 7 --record --replace"
    )


def test_a_record_that_cannot_be_read_is_said_and_leaves_the_rest_of_a_spec_to_read(call: Call) -> None:
    path = keep(Tiny, {0: ([98.0] * 4, [99.0] * 4)})
    path.write_text("{}")
    status, out, err = call("show mine/tiny")
    assert (status, err) == (0, f"{path} is not a record of mine/tiny: it has no 'step'\n")
    assert out.startswith("mine/tiny: Step 1: tiny")
