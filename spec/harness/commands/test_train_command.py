"""The verb train: what it prints where, what it leaves, and its exit status."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import report
from harness.commands import train
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import engines
from harness.jobs.job import Job, Update
from harness.training import native
from spec.harness.commands.workplace import Call, Claim
from spec.harness.commands.workplace import call as call
from spec.harness.commands.workplace import workplace as workplace
from spec.harness.evidence.records_of import keep
from spec.harness.jobs.scripted import here, scripted
from spec.harness.support.paths import ROOT

NUMBERS = {
    "epoch", "train_accuracy", "clean_train_accuracy", "test_accuracy", "train_loss", "test_loss", "seconds"
}  # fmt: skip
TRAINER = r"mine/\w+ is trained by .*\n"


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
        ("train mine/claim --epochs 3", (99.45,), 0, ["-"], r"No verdict: shortened to 3 of 4 epochs\."),
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


@pytest.mark.parametrize("printed", ["table", "verdict"])
def test_what_is_kept_is_kept_before_anything_is_printed_which_may_fail(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    """As where standard output is full, or where the record of which the verdict speaks is damaged."""

    def fails(_: object) -> str:
        raise HarnessError("it cannot be printed")

    def rewrite() -> list[Path]:
        texts.append("written")
        return []

    texts: list[str] = []
    (workplace / "mine").mkdir()
    monkeypatch.setattr(engines, "work", scripted(99.45))
    monkeypatch.setattr(report, "rewrite", rewrite)
    monkeypatch.setattr(train, printed, fails)
    status, _, err = call("train mine/claim --record --csv epochs.csv")
    assert (status, texts, Path("epochs.csv").read_text().count("mine/claim")) == (2, ["written"], 4)
    assert err.splitlines()[-1] == "python -m harness train: error: it cannot be printed"


def test_texts_that_cannot_be_written_keep_nobody_from_the_verdict(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> list[Path]:
        raise HarnessError("cannot write README.md: No space left on device")

    (workplace / "mine").mkdir()
    monkeypatch.setattr(engines, "work", scripted(99.45))
    monkeypatch.setattr(report, "rewrite", full)
    status, out, err = call("train mine/tiny --record")
    assert (status, "99.40 % held" in out) == (2, True)
    assert err.splitlines()[-1] == "python -m harness train: error: cannot write README.md: No space left on device"


def test_what_would_keep_texts_from_being_written_is_said_before_the_training(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> None:
        raise HarnessError("mine/claim: [claim: is pretty] is not in the vocabulary")

    (workplace / "mine").mkdir()
    monkeypatch.setattr(engines, "work", scripted(99.45))
    monkeypatch.setattr(report, "check", wrong)
    monkeypatch.setattr(report, "rewrite", list)
    status, _, err = call("train mine/tiny --record")
    told = "mine/claim: [claim: is pretty] is not in the vocabulary; until it is mended, no text is brought up to the"
    assert (status, err.splitlines()[0]) == (0, f"{told} records")


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
    runs = "10 of 10 runs (95 % interval for one to hold: 69 to 100 %, a processor) held it"
    assert f"Of its record {runs}; by Student's prediction from them {chance}." in out.splitlines()


def test_of_a_published_goal_that_the_record_refutes_no_more_runs_are_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(Claim, {seed: ([99.0] * 4, [99.4 if seed < 4 else 99.3] * 4) for seed in range(1, 11)})
    monkeypatch.setattr(Claim, "claims", {"in every run holds the goal": "refuted"})
    monkeypatch.setattr(engines, "work", scripted(99.30))
    status, out, _ = call("train mine/claim")
    assert status == 1
    assert out.splitlines()[-1] == "The step is said to hold it, which its record refutes: 3 of 10 runs do."
    record.path_of(Claim).unlink()
    status, out, _ = call("train mine/claim")
    assert status == 1
    assert " too few to say how likely that is." in out


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
    monkeypatch.setattr(native, "refusal", lambda step: "this test is about eager torch")
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.1, made=here))
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
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.3, made=here))
    assert call(match[1])[0] == 0
    record = json.loads((workplace / "mine" / "records" / "tiny.json").read_text())
    assert [(run["seed"], run["epochs"][-1]["test_accuracy"]) for run in record["runs"]] == [(1, 99.3)]


def test_where_a_record_is_replaced_as_a_whole_all_of_its_seeds_are_named(
    call: Call, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "mine").mkdir()
    monkeypatch.setattr(report, "rewrite", list)
    monkeypatch.setattr(engines, "work", scripted(99.0, 99.1, 99.2))  # made with something else
    assert call("train mine/tiny --seed 0 1 --record")[0] == 0
    for seed in "02":  # one that it has, and one that it lacks
        status, _, err = call(f"train mine/tiny --seed {seed} --record")
        assert status == 2
        assert err.endswith(f" --seed {'0 1 2' if seed == '2' else '0 1'} --record --replace\n")
    status, _, err = call("train mine/tiny --seed 0 --record --replace")
    assert status == 0
    assert "mine/tiny: its record was made with something else; the runs of seed 1 leave it, too\n" in err


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
import sys
from harness import Recipe, data, discovery
from harness.__main__ import main
from harness.data.synthetic import synthetic
from spec.harness.commands.workplace import Tiny

Tiny.id = "mine/tiny"
Tiny.recipe = Recipe(lr=0.05, batch_size=32, epochs=100_000)
discovery.steps = lambda: {"mine/tiny": Tiny}
data.load = lambda path=None: synthetic(64)
sys.exit(main(["train", "mine/tiny", "--device", "cpu"]))
"""


@pytest.mark.end_to_end
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
