"""What breaks around a training is reported in one line and costs nothing that was saved before."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import data
from harness.errors import HarnessError
from harness.evidence import record
from harness.jobs import checkpoint, engines, run_folder
from harness.jobs.job import Job, Update
from harness.jobs.worker import work
from harness.run import Epoch
from harness.step import Step
from harness.training.ensemble import ensemble_trainer
from harness.training.train import groups, next_epoch
from spec.harness.jobs import faults, small
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note
from spec.harness.jobs.small import Call, run_of
from spec.harness.jobs.small import call as call
from spec.harness.support.paths import ROOT
from spec.harness.support.processes import finish, start
from spec.harness.training.in_memory import run_alone


def last_line(err: str) -> str:
    return err.splitlines()[-1].removeprefix("python -m harness train: error: ")


class Disk:
    """A small file system, mounted in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def mount(self, options: str) -> None:
        """Mount it, or remount it with other options; the test is skipped where that is not allowed."""
        try:
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
            subprocess.run(command, check=True, capture_output=True, timeout=20)
        except (OSError, subprocess.SubprocessError):
            pytest.skip("a file system can be mounted by root alone")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    mounted = Disk(tmp_path / "disk")
    yield mounted
    if mounted.folder.is_mount():
        subprocess.run(["umount", str(mounted.folder)], check=True, timeout=20)


@pytest.mark.thorough
def test_a_full_disk_costs_at_most_the_epoch(call: Call, disk: Disk, note: Note) -> None:
    expected = call("small/plain --seed 0 1 --out whole")
    disk.mount("size=80k")
    (disk.folder / "ballast").write_bytes(bytes(12_000))
    status, runs, err = call("small/plain --seed 0 1 --out disk")
    assert (status, runs) == (2, [])
    assert re.fullmatch(
        r"cannot write disk/small/plain/seed0-\S+: No space left on device; make room, or mend the folder, and "
        r"start it again, with --resume for train",
        last_line(err),
    )
    [path] = (disk.folder / "small" / "plain").glob("*.safetensors")
    checkpoint.read(path)  # the last one that fitted is whole
    disk.mount("remount,size=4m")
    assert call("small/plain --seed 0 1 --out disk --resume")[:2] == expected[:2]
    note(
        "a full disk",
        "a tmpfs of 80 kB for the run files, then made larger",
        1,
        "status 2, one line: no space left on device; the checkpoint is whole, and `--resume` prints the JSON of an "
        "uninterrupted run",
    )


def test_a_full_disk_leaves_a_record_as_it_was(disk: Disk, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    disk.mount("size=24k")
    monkeypatch.setattr(small.Plain, "source", disk.folder / "test_01_small.py")
    path = record.path_of(small.Plain)
    states = [b""]

    def fill() -> None:
        for seed in range(100):
            record.add(run_of(seed))
            states.append(path.read_bytes())

    with pytest.raises(HarnessError, match=r"cannot write \S+plain.json: No space left on device; it is as it was"):
        fill()
    assert path.read_bytes() == states[-1]
    assert len(json.loads(states[-1])["runs"]) == len(states) - 1 > 0
    assert {file.suffix for file in path.parent.iterdir()} == {".json"}
    note(
        "a full disk while a record is written",
        "a tmpfs of 24 kB, runs added until it is full",
        1,
        "one line; the record is byte for byte what it was before the run that did not fit",
    )


def test_a_folder_that_cannot_be_written_is_one_line(call: Call, disk: Disk, note: Note) -> None:
    disk.mount("size=1m")
    disk.mount("remount,ro")
    status, runs, err = call("small/plain --out disk")
    assert (status, runs, err) == (
        2,
        [],
        "python -m harness train: error: cannot write run files to disk: Read-only file system; "
        "name another folder with --out\n",
    )
    note("a read-only folder", "a tmpfs mounted read-only", 1, "status 2, one line, before anything is trained")


def acting(after: int, act: Callable[[], object]) -> Callable[..., Iterator[Update]]:
    """A worker that calls `act` once, after `after` updates."""
    updates = count(1)

    def watch(job: Job, data: data.MNIST, *_: object) -> Iterator[Update]:
        for update in work(job, data):
            yield update
            if next(updates) == after:
                act()

    return watch


def test_a_folder_that_disappears_is_one_line(call: Call, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    expected = call("small/plain --out whole")
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", acting(3, lambda: shutil.rmtree("runs")))
        status, runs, err = call("small/plain")
    assert (status, runs) == (2, [])
    assert re.fullmatch(r"cannot write runs/small/plain/\S+: No such file or directory; .*", last_line(err))
    assert call("small/plain --resume")[:2] == expected[:2]
    note(
        "the folder of the run files disappears",
        "removed with all that is in it after the second epoch",
        1,
        "status 2, one line; `--resume` finds nothing and trains anew",
    )


def test_a_run_file_that_disappears_is_made_anew(call: Call, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    def lose() -> None:
        for path in Path("runs/small/plain").glob("*.jsonl"):
            path.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", acting(3, lose))
        assert call("small/plain")[0] == 130
    assert call("small/plain --resume")[0] == 0
    [file] = Path("runs/small/plain").iterdir()
    assert [json.loads(line).get("epoch") for line in file.read_text().splitlines()] == [None, 1, 2, 3, 4]
    note(
        "a run file disappears",
        "removed after the second epoch, the training interrupted",
        1,
        "`--resume` makes it anew from the checkpoint, with every epoch once",
    )


def test_a_clock_that_jumps_back_mixes_nothing_up(call: Call, monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    class Clock(datetime):
        """An hour earlier each time, until it shows the same moment twice."""

        moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            if cls.moment.hour > 10:
                cls.moment -= timedelta(hours=1)
            return cls.moment

    monkeypatch.setattr(run_folder, "datetime", Clock)
    runs = [call("small/plain --epochs 2")[1] for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
    names = sorted(path.name for path in Path("runs/small/plain").iterdir())
    assert names == [
        "seed0-20260101T100000.000000Z.jsonl",
        "seed0-20260101T100000.000001Z.jsonl",
        "seed0-20260101T110000.000000Z.jsonl",
    ]
    for name in names:
        lines = [json.loads(line) for line in Path("runs/small/plain", name).read_text().splitlines()]
        assert [line.get("epoch") for line in lines] == [None, 1, 2]
        assert all(line["seconds"] >= 0 for line in lines[1:])
    note(
        "the clock is set back",
        "an hour between two runs of a seed, and to the very same microsecond, by a clock put in its place",
        3,
        "three run files, each whole; seconds are those of a clock that cannot be set",
    )


def batch_of(image: int, seed: int, epoch: int) -> int:
    """Which batch has an image, counted from 1. Each epoch draws one more permutation from the seed."""
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(small.IMAGES, generator=generator).tolist() for _ in range(epoch)]
    return int(orders[-1].index(image)) // small.BATCH + 1


@pytest.mark.thorough
@pytest.mark.parametrize("image", [11, 12])
def test_a_loss_that_is_not_finite_ends_that_run_alone(
    call: Call, monkeypatch: pytest.MonkeyPatch, note: Note, image: int
) -> None:
    monkeypatch.setattr(data, "load", lambda path=None: small.poisoned(image))
    expected = call("small/failing --seed 0 2 --out others")
    status, runs, err = call("small/failing --seed 0 1 2 --record")
    message = f"small/failing, seed 1: the loss is nan in epoch 1, batch {batch_of(image, 1, 1)}; lower the rate"
    assert status == 2
    assert last_line(err) == message
    assert [runs[0], runs[2]] == expected[1]
    assert (runs[1]["complete"], runs[1]["held"], runs[1]["epochs"]) == (False, False, [])
    [file] = Path("runs/small/failing").glob("seed1-*")
    assert json.loads(file.read_text().splitlines()[-1]) == {"failed": message}
    assert {path.suffix for path in file.parent.iterdir()} == {".jsonl"}
    committed = record.read(small.Failing)
    assert committed is not None
    assert [run.seed for run in committed.runs] == [0, 2]
    note(
        "the loss becomes NaN",
        "one image of which the network of one seed of three makes NaN",
        2,
        "status 2; step, seed, epoch and batch are named, the batch as the seed's permutation has it; the other two "
        "seeds are trained and recorded as if they were alone",
    )


def test_a_loss_that_is_not_finite_among_networks_trained_together(note: Note) -> None:
    seeds, image = (0, 1, 2), 7
    run = ensemble_trainer(small.Failing, seeds, small.poisoned(image))
    first = next_epoch(small.Failing, seeds, run)
    [alone] = run_alone(small.Failing, 2, small.poisoned(image), epochs=1).epochs
    assert str(first[1]).endswith(f"seed 1: the loss is nan in epoch 1, batch {batch_of(image, 1, 1)}; lower the rate")
    assert isinstance(first[0], Epoch)
    assert isinstance(first[2], Epoch)
    assert first[2].train_loss == pytest.approx(alone.train_loss, abs=1e-4)
    note(
        "the loss of one of several stacked networks becomes NaN",
        "the same image, three seeds in one computation",
        1,
        "its seed, epoch and batch are named; the losses of the others are those that they have alone",
    )


def test_too_little_memory_is_one_line(call: Call, note: Note) -> None:
    status, _, err = call("small/hungry")
    assert status == 2
    assert last_line(err) == "small/hungry, seed 0: out of memory on cpu; lower the batch_size of its recipe"
    fewer = r"seeds 0, 1: out of memory on cpu; train fewer seeds at once \(--seeds\), or lower the batch_size"
    with pytest.raises(HarnessError, match=fewer):
        list(work(Job(small.Hungry, (0, 1), 4), small.images()))
    with pytest.raises(HarnessError, match=r"^small/hungry: its forward pass raised RuntimeError: .*DefaultCPUAlloc"):
        groups(small.Hungry, [0, 1], torch.device("cuda"))
    note(
        "too little memory",
        "a network that asks for a petabyte when it is trained",
        1,
        "status 2; the error says to lower the batch size, or to train fewer seeds at once",
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("step", [small.HungryOnGpu, small.HungryInGraph], ids=["eager", "in a graph"])
def test_too_little_memory_on_a_gpu_is_one_line_and_the_next_can_train(step: type[Step]) -> None:
    with pytest.raises(HarnessError) as error:
        list(work(Job(step, (0, 1), 4), small.images().to("cuda")))
    expected = "train fewer seeds at once (--seeds), or lower the batch_size of its recipe"
    assert str(error.value).endswith(f", seeds 0, 1: out of memory on cuda:0; {expected}")
    *_, last = work(Job(small.Plain, (0, 1), 4), small.images().to("cuda"))
    assert all(isinstance(outcome, Epoch) for outcome in last.outcomes.values())


KILLED = """
import os, signal


def test_before():
    assert True


def test_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_after():
    assert True
"""


@pytest.mark.slow
def test_a_worker_of_xdist_that_is_killed_fails_its_test_alone(pytester: pytest.Pytester, note: Note) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(KILLED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-n", "1", "-p", "no:cacheprovider"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"worker 'gw0' crashed while running '.*::test_killed'", done.stdout)
    assert re.search(r"1 failed, 2 passed", done.stdout)
    note(
        "a worker of pytest-xdist is killed",
        "SIGKILL of itself in one of three tests",
        1,
        "that test fails by its name, the others pass, the session fails",
    )


def add_runs(source: Path, seeds: list[int]) -> None:
    """What several processes do at the same time."""
    small.Plain.source = source
    for seed in seeds:
        record.add(run_of(seed))


@pytest.mark.thorough
def test_runs_that_write_a_record_at_once_are_all_in_it(tmp_path: Path, note: Note) -> None:
    source = tmp_path / "test_01_small.py"
    shares = [list(range(first, 60, 3)) for first in range(3)]
    finish(*[start(add_runs, source, share) for share in shares])
    committed = record.read_file(tmp_path / "records" / "plain.json", small.Plain)
    assert [run.as_json() for run in committed.runs] == [run_of(seed).as_json() for seed in range(60)]
    note(
        "several processes write one record at once",
        "three processes add twenty runs each, as fast as they can",
        60,
        "all sixty runs are in it, each once, in order",
    )


def test_each_row_of_the_table_has_its_test_and_each_test_its_row() -> None:
    listed = set()
    for line in faults.rows_of(faults.PAGE.read_text()).values():
        found = re.search(r"`(test_\w+)::(test_\w+)` \|$", line)
        assert found, line
        listed.add((found[1], found[2]))
    noting = set()
    for path in sorted((ROOT / "spec" / "harness").rglob("test_*.py")):
        for found in re.finditer(r"^def (test_\w+)\(([^)]*)\)", path.read_text(), re.MULTILINE):
            if "note: Note" in found[2]:
                noting.add((path.stem, found[1]))
    assert listed == noting


def test_the_table_is_made_of_what_tests_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{faults.BEGIN}\n{faults.HEAD}\n| old | x | 1 | y | `a::b` |\n{faults.END}\nafter\n")
    monkeypatch.setattr(faults, "PAGE", page)
    properties = "".join(f'<property name="{key}" value="{key} 1"/>' for key in faults.KEYS)
    junit = tmp_path / "junit.xml"
    case = '<testcase classname="spec.harness.test_x" name="{}"><properties>{}</properties>{}</testcase>'
    cases = case.format("test_one[a]", properties, "") + case.format("test_two", properties, "<failure/>")
    junit.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    faults.rewrite(junit)
    assert page.read_text().splitlines()[3:-2] == [
        *faults.HEAD.splitlines(),
        "| fault 1 | injected 1 | times 1 | happened 1 | `test_x::test_one` |",
        "| old | x | 1 | y | `a::b` |",
        "",
    ]
