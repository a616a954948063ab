"""The command line: what each verb prints, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from harness import Recipe, StepSpec, data, ladder, report
from harness.__main__ import main
from harness.commands import show
from harness.data.synthetic import synthetic
from harness.jobs import engines
from harness.jobs.job import Job, Update
from spec.harness.evidence.records_of import keep
from spec.harness.jobs.scripted import scripted
from spec.harness.support.paths import ROOT

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
USAGE = r" \(see python -m harness( \w+)? --help\)"
NUMBERS = {
    "epoch", "train_accuracy", "clean_train_accuracy", "test_accuracy", "train_loss", "test_loss", "seconds"
}  # fmt: skip
TRAINER = r"mine/\w+ is trained by .*\n"
REAL_LOAD = data.load


class Network(nn.Sequential):
    """A convolution and a global average."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__(nn.Conv2d(1, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))


class FiveClasses(Network):
    """A network for half of the digits."""

    def __init__(self) -> None:
        super().__init__(5)


class Tiny(StepSpec):
    """Step 1: tiny.

    Target:
        Be small.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It is [small].
    """

    model = Network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)


class Claim(Tiny):
    """Step 2: tiny and faster.

    Target:
        Hold the goal.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It is no larger. [claim: has 100 parameters]
    """

    follows = "mine/tiny"
    recipe = Recipe(lr=0.1, batch_size=32, epochs=4)
    goal = True


class Wide(StepSpec):
    """A step whose network has too few classes."""

    model = FiveClasses
    parameters = 50
    receptive_field = 28
    recipe = Tiny.recipe


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, three steps, tiny data and no CUDA."""
    steps = {"mine/tiny": Tiny, "mine/claim": Claim, "mine/wide": Wide}
    for step_id, step in steps.items():
        monkeypatch.setattr(step, "id", step_id)
        monkeypatch.setattr(step, "source", tmp_path / "mine" / "test_01_tiny.py")
    for module in (ladder, show):
        monkeypatch.setattr(module, "steps", lambda: steps)
    monkeypatch.setattr(data, "load", lambda path=None: synthetic(64))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line given as one string; its status, standard output and standard error."""

    def run(line: str) -> tuple[int, str, str]:
        try:
            status = main(line.split())
        except SystemExit as exit:
            status = int(exit.code or 0)
        return status, *capsys.readouterr()

    return run


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
        ("train mine/tiny --device banana", ".* unknown device 'banana'; use auto, cpu, cuda or cuda:N"),
        ("train mine/tiny --device cpu:1", ".* unknown device 'cpu:1'; use auto, cpu, cuda or cuda:N"),
        ("train mine/tiny --device cuda", ".* cuda was asked for, but torch .* sees no CUDA device; use --device cpu"),
        ("train mine/tiny --seed 1 x", rf".* --seed: 'x' is not a seed; give whole numbers of 0 or more{USAGE}"),
        ("train mine/tiny --seed -1", rf".* --seed: '-1' is not a seed; give whole numbers of 0 or more{USAGE}"),
        ("train mine/tiny --seeds -1", rf".* --seeds: '-1' is not a whole number of 1 or more{USAGE}"),
        ("train mine/tiny --seeds 0", rf".* --seeds: '0' is not a .* of 1 or more; for seed 0: --seed 0{USAGE}"),
        ("train mine/tiny --seeds 0 7", rf".* --seeds: one number, how many; for these seeds: --seed 0 7{USAGE}"),
        ("train mine/tiny --seeds 1000001", rf".* --seeds: 1000001 is too large; the largest is 100000{USAGE}"),
        ("train mine/tiny --seeds 2 --seed 1", rf".* --seed: not allowed with argument --seeds{USAGE}"),
        ("train mine/tiny --csv no/such/folder/x", ".* cannot write no/such/folder/x: there is no such folder.*"),
        ("train mine/tiny --seed 0 1 0", rf".* a seed is given twice; each seed counts once{USAGE}"),
        ("train mine/tiny --epochs 0", rf".* --epochs: '0' is not a whole number of 1 or more{USAGE}"),
        ("train mine/tiny --epochs 5", ".* --epochs 5 is more than the 4 of the recipe"),
        ("train mine/tiny --replace", ".* --replace is about the committed record; give --record as well"),
        ("train mine/tiny --epochs 2 --record", ".* --record keeps complete runs only; leave out --epochs"),
        ("train mine/tiny --trainer mine", rf".* argument --trainer: invalid choice: 'mine' \(choose from .*\){USAGE}"),
        ("train mine/tiny --out file/runs", rf"{TRAINER}.* cannot write run files to file/runs: Not a directory"),
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


def test_json_is_one_object_per_seed_and_nothing_else(call: Call) -> None:
    status, out, err = call("train mine/tiny --seed 3 0 --device cpu --json")
    runs = [json.loads(line) for line in out.splitlines()]
    assert [(run["step"], run["seed"], run["held"]) for run in runs] == [
        ("mine/tiny", 3, False),
        ("mine/tiny", 0, False),
    ]
    for run in runs:
        assert [epoch["epoch"] for epoch in run["epochs"]] == [1, 2, 3, 4]
        for epoch in run["epochs"]:
            assert epoch.keys() == NUMBERS
            # Of 64 images, each is 1.5625 points.
            assert all(epoch[name] % 1.5625 == 0 for name in ("train_accuracy", "test_accuracy"))
    assert status == 0
    lines = [
        re.fullmatch(r"mine/tiny seed (\d) epoch (\d)/4: train \S+ test \S+ \(\S+ s\)", line)
        for line in err.splitlines()[1:]
    ]
    assert re.match(TRAINER, err)
    assert [match and match.groups() for match in lines] == [(seed, epoch) for seed in "30" for epoch in "1234"]


def test_json_stays_on_standard_output_while_a_terminal_shows_the_epochs(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "work", scripted(99.41))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    _, out, err = call("train mine/tiny --json")
    assert json.loads(out)["seed"] == 0
    assert "mine/tiny seed 0 epoch 4/4: train 98.50 test 99.41 (2.0 s)" in err
    assert "4/4" in err


FEW = r"Its record has fewer than 3 runs, too few to say how likely that is\."
MISS = r"A seed is another run .*: python -m harness train mine/claim --seed 2 3 4 5 6"


@pytest.mark.parametrize(
    ("line", "accuracies", "status", "held", "verdict"),
    [
        (
            "train mine/claim --seed 0 1",
            (99.40, 99.45),
            0,
            ["yes", "yes"],
            f"99.40 % held .* by 2 of 2 seeds .*\n{FEW}",
        ),
        ("train mine/claim --seed 0 1", (99.45, 99.39), 1, ["yes", "no"], f".* by 1 of 2 seeds .*\n{FEW}\n{MISS}"),
        ("train mine/tiny", (99.39,), 0, ["no"], r".* by 0 of 1 seed .*\nThe step does not claim to hold 99.40 %\."),
        ("train mine/claim --epochs 3", (99.45,), 1, ["-"], r"No verdict: shortened to 3 of 4 epochs\."),
    ],
)
def test_the_status_is_that_of_the_claim(
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    accuracies: tuple[float, ...],
    status: int,
    held: list[str],
    verdict: str,
) -> None:
    monkeypatch.setattr(engines, "work", scripted(*accuracies))
    is_so, out, _ = call(line)
    assert is_so == status
    rows = [row.split() for row in out.splitlines() if row.startswith("mine/") and ":" not in row]
    step_id = line.split()[1]
    assert rows == [
        [step_id, str(seed), "100", "28", *[f"{accuracies[seed]:.2f}"] * 3, word, "6" if word == "-" else "8"]
        for seed, word in enumerate(held)
    ]
    assert re.fullmatch(verdict, "\n".join(out.splitlines()[len(rows) + 4 :]))


@pytest.mark.parametrize(
    ("spread", "chance"),
    [
        (0.01, "fewer than 1 run in 1,000 misses"),
        # 1.383 is the 10 % quantile of Student's table at nine degrees of freedom; s is sqrt(10 / 9) of the distance
        (0.05 / (1.383 * (10 / 9 * 11 / 10) ** 0.5), "about 1 run in 10 misses"),
    ],
)
def test_the_record_says_how_many_runs_miss(
    call: Call, monkeypatch: pytest.MonkeyPatch, spread: float, chance: str
) -> None:
    final = [99.45 - spread, 99.45 + spread] * 5
    keep(Claim, {seed: ([99.0] * 4, [99.0, *[accuracy] * 3]) for seed, accuracy in enumerate(final)})
    monkeypatch.setattr(engines, "work", scripted(99.40))
    _, out, _ = call("train mine/claim")
    runs = "10 of 10 runs (95 % interval for one to hold: 69 to 100 %, a processor) held it."
    assert f"By its record {chance}: {runs}" in out.splitlines()


def test_of_a_published_goal_that_the_record_refutes_no_more_runs_are_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(Claim, {seed: ([99.0] * 4, [99.4 if seed < 4 else 99.3] * 4) for seed in range(1, 11)})
    monkeypatch.setattr(Claim, "claims", {"in every run holds the goal": "refuted"})
    monkeypatch.setattr(engines, "work", scripted(99.30))
    status, out, _ = call("train mine/claim")
    assert status == 1
    assert out.splitlines()[-1] == "The step is said to hold it, which its record refutes: 3 of 10 runs do."


def test_the_figures_of_native_runs_are_of_every_machine(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"fingerprint": "0123", "trainer": "native", "numerics": 1, "hardware": "AMD EPYC", "threads": 1}
    monkeypatch.setattr(engines, "work", scripted(99.40, 99.39, made=lambda step: made))
    _, out, _ = call("train mine/claim --seed 0 1")
    assert "by 1 of 2 seeds (95 % interval for one to hold: 1 to 99 %, the same on every machine)." in out
    assert "\nOne miss does not refute the step; five more runs tell: python -m harness train mine/claim " in out
    assert "EPYC" not in out


def test_eager_runs_of_several_machines_say_of_how_many(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"fingerprint": "0123", "trainer": "eager", "threads": 1}
    hardware = ("AMD EPYC", "Apple M1")

    def work(job: Job, data: object, *_: object) -> Iterator[Update]:
        return scripted(99.4, 99.4, made=lambda step: {**made, "hardware": hardware[job.seeds[0]]})(job, data)

    monkeypatch.setattr(engines, "work", work)
    _, out, _ = call("train mine/tiny --seed 0 1")
    assert "100 %, 2 kinds of machine, 1 thread)." in out


def test_a_run_file_can_be_read_while_the_seed_trains(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []

    def watch(*arguments: object) -> Iterator[Update]:
        for update in scripted(99.0)(*arguments):
            yield update
            [file] = (workplace / "out" / "mine" / "tiny").glob("*.jsonl")
            lengths.append([len(json.loads(line)) > 1 for line in file.read_text().splitlines()])

    monkeypatch.setattr(engines, "work", watch)
    call("train mine/tiny --out out")
    assert lengths == [[True], [True] * 2, [True] * 3, [True] * 4, [True] * 5]


def test_a_run_file_names_step_seed_and_machine(call: Call, workplace: Path) -> None:
    call("train mine/tiny --seed 7 --epochs 1 --device cpu")
    [file] = (workplace / "runs" / "mine" / "tiny").glob("seed7-*.jsonl")
    header, epoch = map(json.loads, file.read_text().splitlines())
    assert (header["step"], header["seed"], header["device"]) == ("mine/tiny", 7, "cpu")
    assert header.keys() >= {"fingerprint", "data", "hardware", "torch", "commit", "dirty", "started"}
    assert epoch.keys() == NUMBERS | {"errors"}


def test_a_seed_that_the_record_has_is_refused_before_it_is_trained(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "mine").mkdir()
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.1))
    monkeypatch.setattr(report, "rewrite", lambda: [Path("README.md")])
    status, _, err = call("train mine/tiny --seed 1 --record")
    assert status == 0
    assert err.endswith("\nwrote README.md\n")
    monkeypatch.setattr(engines, "work", None)
    status, _, err = call("train mine/tiny --seed 0 1 --record")
    assert status == 2
    advice = (
        r".*tiny\.json has seed 1 already; replace it with: python -m harness (train mine/tiny --seed 1 --record .*)\n"
    )
    match = re.fullmatch(rf"python -m harness train: error: {advice}", err)
    assert match
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.3))
    assert call(match[1])[0] == 0
    record = json.loads((workplace / "mine" / "records" / "tiny.json").read_text())
    assert [(run["seed"], run["epochs"][-1]["test_accuracy"]) for run in record["runs"]] == [(1, 99.3)]


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
import sys
from harness import Recipe, data, ladder
from harness.__main__ import main
from harness.data.synthetic import synthetic
from spec.harness.commands.test_command_line import Tiny

Tiny.id = "mine/tiny"
Tiny.recipe = Recipe(lr=0.05, batch_size=32, epochs=100_000)
ladder.steps = lambda: {"mine/tiny": Tiny}
data.load = lambda path=None: synthetic(64)
sys.exit(main(["train", "mine/tiny", "--device", "cpu"]))
"""


def test_an_interrupt_leaves_whole_lines_and_ends_at_once(workplace: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert re.fullmatch(TRAINER, process.stderr.readline())
        for _ in range(3):
            assert process.stderr.readline().startswith("mine/tiny seed 0 epoch ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)  # about a second; the training would go on for hours
    assert (process.returncode, out) == (130, "")
    *epochs, last = err.splitlines()
    assert last == "python -m harness train: interrupted"
    assert all(line.startswith("mine/tiny seed 0 epoch ") for line in epochs)
    [file] = (workplace / "runs" / "mine" / "tiny").glob("*.jsonl")
    text = file.read_text()
    assert text.endswith("}\n")
    numbers = [json.loads(line).get("epoch") for line in text.splitlines()]
    assert numbers == [None, *range(1, len(numbers))]
    assert len(numbers) > 3


def test_show_prints_a_specification(call: Call) -> None:
    status, out, err = call("show mine/claim")
    assert (status, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "mine/claim: Step 2: tiny and faster"
    for title, text in (
        ("Target", "Hold the goal."),
        ("Result", "Parameters: 100 · receptive field: 28"),
        ("Analysis", "- It is no larger. [claim: has 100 parameters]"),
        ("Claims", "supported: has 100 parameters (100 parameters)"),
        ("Goal", "claims to hold 99.40 % test accuracy in each of its final 3 epochs, for every seed"),
        ("Recipe", "lr: 0.1"),
        ("Changed since mine/tiny", "lr: 0.05 -> 0.1"),
    ):
        assert lines[lines.index(title) + 1] == text
    cells = [line.split() for line in lines]
    assert ["0", "conv2d", "28", "3", "0", "1", "26", "1", "1", "1", "3"] in cells
    assert ["1", "adaptive_avg_pool2d", "26", "26", "0", "26", "1", "1", "26", "3", "28"] in cells


def test_show_takes_brackets_as_text(call: Call) -> None:
    assert "- It is [small].\n" in call("show mine/tiny")[1]


def test_show_alone_lists_the_steps(call: Call) -> None:
    status, out, _ = call("show")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["mine/tiny", "100"],
        ["mine/claim", "100"],
        ["mine/wide", "50"],
    ]


def test_data_ends_with_the_folder(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "folder", lambda path=None: Path("/somewhere/mnist"))
    status, out, _ = call("data")
    assert (status, out.splitlines()[-1]) == (0, "/somewhere/mnist")
