"""Within an epoch an engine says how far each job is, and a terminal shows it; a file or a pipe gets epochs only."""

import gc
import os
import re
import signal
import sys
import time
import weakref
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.child import pickled
from harness.commands.console import busy, console, display, say
from harness.jobs import Job, Request, Resumable, engines, processes, run_jobs, worker
from harness.jobs.job import StepsDone
from harness.jobs.processes import Processes
from harness.run import Epoch
from harness.step import Step
from harness.training import ignore_steps
from harness.training.train import train_one
from harness.training.trainer import SingleTrainer, single_trainer
from spec.harness.jobs import small
from spec.harness.jobs.small import ignore

CPU = torch.device("cpu")
BATCHES = 3


@pytest.mark.parametrize("trainer", ["single", "ensemble"])
def test_each_step_of_each_epoch_is_reported(trainer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    engine = engines.Local(CPU)
    engine.on_steps = lambda step, seeds, done, of: seen.append((step, tuple(seeds), done, of))
    monkeypatch.setattr(worker, "PERIOD", 0.0)
    groups = [(4, 7)] if trainer == "ensemble" else [(4,), (7,)]
    monkeypatch.setattr("harness.jobs.dispatch.groups", lambda *_, here: groups)
    list(run_jobs(Resumable(Request(small.Simple, [4, 7], 2, "eager", tmp_path)), engine, small.images(), ignore))
    each = [(done, BATCHES) for done in range(1, BATCHES + 1)]
    assert seen == [(small.Simple, seeds, *steps) for seeds in groups for _ in range(2) for steps in each]


def test_a_fast_step_is_not_reported_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = iter([10.0, 10.1, 10.4, 10.6, 10.7, 11.2]), []
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    report = worker.now_and_then(lambda done, of: seen.append((done, of)))
    for done in range(1, 6):
        report(done, 938)
    assert seen == [(3, 938), (5, 938)]


def test_a_worker_process_reports_through_its_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's side of the pipe, with a clock by which every step takes long; then the parent's."""
    ours, theirs = Pipe()
    monkeypatch.setattr(worker, "PERIOD", 0.0)
    job = Job(small.Simple, (5,), 1)
    ours.send(small.images().arrays())
    ours.send_bytes(pickled(job))
    ours.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)
        sent: list[object] = []
        patch.setattr(theirs, "send", sent.append, raising=False)
        processes._serve(theirs, "cpu", 1000.0)
    steps = [message for message in sent if isinstance(message, StepsDone)]
    assert steps == [(done, BATCHES) for done in range(1, BATCHES + 1)]

    engine = Processes([CPU])
    shown: list[tuple[object, ...]] = []
    engine.on_steps = lambda *each: shown.append(each)
    ended = processes._Worker.__new__(processes._Worker)
    ended.task = (0, job)
    messages = iter([steps[0], None])
    ended.child = SimpleNamespace(receive=lambda: next(messages))  # type: ignore[assignment]
    assert list(ended.receive(engine.on_steps)) == []
    assert shown == [(small.Simple, (5,), 1, BATCHES)]
    assert list(ended.receive(engine.on_steps)) == []
    assert ended.task is None


def test_a_terminal_shows_batches_and_all_epochs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    epoch = Epoch(1, 98.0, 99.0, 0.1, 2.0)
    with display(4, runs=2) as shown:
        shown.on_steps(small.Simple, (3,), 400, 938)
        shown.on_epoch(small.Simple, 3, epoch)
        shown.on_steps(small.Simple, (3,), 123, 938)
    err = capsys.readouterr().err
    assert "small/simple seed 3 epoch 1/4: train 98.00 test 99.00 (2.0 s)" in err
    assert "small/simple seed 3: batches" in err
    assert "123/938" in err
    assert "1/8" in err


def test_a_seed_that_is_done_leaves_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of forty seeds, one after the other, would fill a screen."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    epoch = Epoch(1, 98.0, 99.0, 0.1, 2.0)
    with display(1, runs=40) as shown:
        for seed in range(40):
            shown.on_steps(small.Simple, (seed, seed + 100), 400, 938)
            bars = [task.description for task in shown.progress.tasks]  # type: ignore[attr-defined]
            assert bars == ["all epochs", f"small/simple seed {seed}, {seed + 100}: batches"]
            shown.on_epoch(small.Simple, seed, epoch)
            shown.on_epoch(small.Simple, seed + 100, epoch)


def test_a_name_is_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as that of a folder: neither mark-up, nor a command to the terminal."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    name = "[/a] :smile: \x1b[31mx"
    step: type[Step] = type("Named", (small.Simple,), {})
    step.id = name
    with display(4) as shown:
        shown.on_steps(step, (3,), 400, 938)
        shown.on_epoch(step, 3, Epoch(1, 98.0, 99.0, 0.1, 2.0))
        shown.on_steps(step, (4,), 123, 938)
    with busy() as on_part:
        on_part(f"{name}: a part")
    console().print(name)
    say(name)
    out, err = capsys.readouterr()
    told = r"[/a] :smile: \x1b[31mx"
    assert f"{told} seed 3 epoch 1/4" in err
    assert f"{told} seed 4: batches" in err
    assert f"{told}: a part" in err
    assert err.endswith(f"{told}\n")
    assert out == f"{told}\n"


@pytest.mark.parametrize("variable", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("value", ["\u00b2", "0", "-1", "", "wide", "1" * 5000])
def test_a_size_that_is_none_is_that_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((90, 30)))
    line = "x" * 85
    console().print(line)
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    console().print(line)
    with busy() as on_part:
        on_part("a part")
    out, err = capsys.readouterr()
    assert out.split() == [line, line]
    assert "a part" in err


def test_two_candidates_with_one_seed_have_a_bar_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with display() as shown:
        for step, done in ((small.Plain, 111), (small.Simple, 222)):
            shown.on_steps(step, (0,), done, 938)
    last = capsys.readouterr().err
    assert "111/938" in last
    assert "222/938" in last


def test_a_terminal_shows_how_long_each_part_of_a_benchmark_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    now = 1000.0
    monkeypatch.setattr("rich.console.monotonic", lambda: now)
    with busy() as on_part:
        on_part("in turns")
        now += 65
        on_part("all cores")
        now += 5
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"\nin turns +━+ 0:01:05\nall cores +━+ 0:00:05\n$", shown.replace("\r", "\n"))


def test_without_a_terminal_there_is_a_line_per_part(capsys: pytest.CaptureFixture[str]) -> None:
    with busy() as on_part:
        on_part("in turns")
    assert capsys.readouterr().err == "in turns\n"


def test_without_a_terminal_there_is_a_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with display(1) as shown:
        shown.on_steps(small.Simple, (3,), 400, 938)
        shown.on_epoch(small.Simple, 3, Epoch(1, 98.0, 99.0, 0.1, 2.0))
    assert capsys.readouterr().err == "small/simple seed 3 epoch 1/1: train 98.00 test 99.00 (2.0 s)\n"


def test_a_seed_in_memory_has_the_epochs_that_are_asked_for() -> None:
    outcomes = list(train_one(small.Simple, 3, small.images(), epochs=2, on_steps=ignore_steps))
    assert [outcome.epoch for outcome in outcomes if isinstance(outcome, Epoch)] == [1, 2]


@pytest.mark.parametrize("train", ["work", "train_one"])
def test_a_trainer_whose_steps_were_shown_is_gone_with_its_training(
    train: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when Python next collects reference cycles, which may be within a recording of the next one."""
    made: list[weakref.ref[object]] = []

    def single(*words: Any) -> SingleTrainer:
        trainer = single_trainer(*words)
        made.append(weakref.ref(trainer))
        return trainer

    monkeypatch.setattr("harness.training.train.single_trainer", single)
    gc.disable()
    try:
        if train == "work":
            list(worker.work(Job(small.Simple, (5,), 1), small.images(), lambda done, of: None))
        else:
            list(train_one(small.Simple, 5, small.images(), epochs=1, on_steps=lambda *_: None))
        assert [trainer() for trainer in made] == [None]
    finally:
        gc.enable()
