"""What a training leaves: which of it a later one takes, what is on the disk by then, and that no lock stays."""

import os
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import data
from harness.data import MNIST
from harness.errors import HarnessError
from harness.jobs import engines
from harness.jobs.job import Job, Update
from harness.jobs.resume import trainer_left
from harness.jobs.run_file import MAKE_ROOM
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.scripted import here, interrupted, scripted
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call

CPU = torch.device("cpu")
FOLDER = Path("runs/small/plain")


def test_of_finished_runs_of_a_seed_the_latest_is_taken(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for accuracy in (99.1, 99.2, 99.3):
        monkeypatch.setattr(engines, "work", scripted(accuracy, made=here))
        assert call("small/plain --seed 0")[0] == 0
    monkeypatch.setattr(engines, "work", None)
    [run] = call("small/plain --seed 0 --resume")[1]
    assert run["epochs"][-1]["test_accuracy"] == 99.3


def test_a_run_that_failed_is_no_finished_one_of_fewer_epochs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    work = scripted(99.1, made=here)

    def fails(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
        started, first, second, *_ = work(job, data)  # type: ignore[assignment]
        yield from (started, first, second)
        yield Update(None, {0: HarnessError("the loss is nan")})

    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", fails)
        assert call("small/plain --seed 0")[0] == 2
    monkeypatch.setattr(engines, "work", work)
    status, [run], err = call("small/plain --seed 0 --epochs 2 --resume")
    assert (status, len(run["epochs"]), "nan" in err) == (0, 2, False)


def test_the_trainer_of_what_was_interrupted_goes_before_that_of_what_is_finished(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    assert call("small/plain --trainer native --seed 1 --epochs 1")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        assert call("small/plain --trainer eager --seed 0")[0] == 130
    assert call("small/plain --trainer native --seed 2 --epochs 1")[0] == 0
    assert trainer_left(Plain, [0, 1, 2], Path("runs"), CPU) == "eager"


@pytest.mark.parametrize("what", ["--tensorboard", "data"])
def test_a_resumption_that_is_refused_leaves_no_lock(call: Call, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", interrupted(2))
        assert call("small/plain --seed 0")[0] == 130
    before = sorted(path.name for path in FOLDER.iterdir())
    line = "small/plain --seed 0 --resume"
    if what == "data":

        def lacks(folder: Path | None = None) -> MNIST:
            raise HarnessError("there is no MNIST")

        monkeypatch.setattr(data, "load", lacks)
    else:
        Path("file").touch()
        line += " --tensorboard file"
    assert call(line)[0] == 2
    assert sorted(path.name for path in FOLDER.iterdir()) == before


def test_runs_are_on_the_disk_before_their_checkpoint_goes(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []
    sync, unlink = os.fsync, Path.unlink

    def synced(descriptor: int) -> None:
        done.append(("on the disk", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        sync(descriptor)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        done.append(("gone", path.name))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    assert call("small/plain --epochs 1")[0] == 0
    [file] = FOLDER.iterdir()
    checkpoint = file.with_suffix(".safetensors").name
    assert ("on the disk", file.name) in done[: done.index(("gone", checkpoint))]
    assert any(what == "on the disk" and name.startswith(f"{checkpoint}.") for what, name in done)  # before it is named


def test_a_folder_for_which_there_is_no_room_says_to_make_some(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    err = call("small/plain --out full")[2]
    assert err.endswith(f"cannot write run files to full: No space left on device; {MAKE_ROOM}\n")
