"""Resuming trusts the checkpoint alone, and what is wrong with the files of one seed is no trouble of another."""

import os
import re
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import files
from harness.data import MNIST
from harness.jobs import checkpoint, dispatch, engines, resume
from harness.jobs.checkpoint import Checkpoint
from harness.jobs.job import Job, Update
from harness.jobs.run_file import MAKE_ROOM
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note
from spec.harness.jobs.scripted import here, scripted
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call

FOLDER = Path("runs/small/plain")
WORK = scripted(99.1, 99.2, 99.3, made=here)
FEW = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)


def stopped(job: Job, data: MNIST, *_: object) -> Iterator[Update]:
    """A worker that is interrupted after two epochs of the last seed."""
    for number, update in enumerate(WORK(job, data)):
        yield update
        if number == 2:
            if job.seeds == (1,):
                raise KeyboardInterrupt
            return


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk, nor for git."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(dispatch, "commit", dict)


@pytest.fixture
def interrupted(call: Call, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Seeds 0 and 1 have two of four epochs each: their checkpoints. What resumes them is in place."""
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", stopped)
        assert call("small/plain --seed 0 1")[0] == 130
    monkeypatch.setattr(engines, "work", WORK)
    one, other = sorted(FOLDER.glob("*.safetensors"))
    return one, other


@pytest.fixture
def expected(call: Call, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What an uninterrupted training of seeds 0 and 1 prints."""
    with monkeypatch.context() as patch:
        patch.setattr(engines, "work", WORK)
        return call("small/plain --seed 0 1 --out whole")[1]


def restore(contents: dict[Path, bytes]) -> None:
    """Put the folder back into the state that it was in."""
    for path in FOLDER.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    for path, raw in contents.items():
        path.write_bytes(raw)


def by_seed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(runs, key=lambda run: int(run["seed"]))


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))


ODD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\n" * 9),
    "of another seed": lambda path: path.write_text('{"step": "small/plain", "seed": 7}\n'),
    "of another step": lambda path: path.write_text('{"step": "small/simple", "seed": 0}\n'),
    "a pipe": os.mkfifo,
    "a socket": socket_at,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to another file": lambda path: path.symlink_to(Path("precious").absolute()),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}
"""What may stand where a file should."""


def test_what_is_resumed_comes_in_the_order_that_was_asked_for(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]
) -> None:
    first, second = expected
    for _ in ("resumed", "finished"):
        assert call("small/plain --seed 0 1 --resume")[1] == [first, second]
    assert call("small/plain --seed 1 0 --resume")[1] == [second, first]


@pytest.mark.thorough
def test_no_run_file_stops_a_resume(call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]) -> None:
    Path("precious").write_text("of somebody else")
    contents = {path: path.read_bytes() for path in interrupted}
    for name, odd in ODD.items():
        restore(contents)
        for path in interrupted:
            odd(path.with_suffix(".jsonl"))
        status, runs, _ = call("small/plain --seed 0 1 --resume")
        assert (status, by_seed(runs)) == (0, expected), name
        assert [(path.suffix, path.is_symlink()) for path in FOLDER.iterdir()] == [(".jsonl", False)] * 2, name
    assert Path("precious").read_text() == "of somebody else"


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A function that cuts a file, or flips or zeroes bytes of it, anywhere."""
    kind, place, length = draw(st.sampled_from(["cut", "flip", "zero"])), draw(st.floats(0, 1)), draw(st.integers(1, 9))

    def harm(raw: bytes) -> bytes:
        begin = min(int(place * len(raw)), len(raw) - 1)
        if kind == "cut":
            return raw[:begin]
        changed = bytes(length) if kind == "zero" else bytes(byte ^ 1 for byte in raw[begin : begin + length])
        return raw[:begin] + changed + raw[begin + length :]

    return harm


@pytest.mark.thorough
def test_a_run_file_that_is_damaged_anywhere_is_made_anew(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]], note: Note
) -> None:
    contents = {path: path.read_bytes() for path in FOLDER.iterdir()}

    @FEW
    @given(damage())
    def fuzz(harm: Callable[[bytes], bytes]) -> None:
        restore({path: harm(raw) if path.suffix == ".jsonl" else raw for path, raw in contents.items()})
        assert by_seed(call("small/plain --seed 0 1 --resume")[1]) == expected

    fuzz()
    note(
        "a damaged run file beside a sound checkpoint",
        "cut, or bytes flipped or zeroed, anywhere, by Hypothesis",
        FEW.max_examples,
        "`--resume` makes it anew and prints the JSON of an uninterrupted training",
    )


@pytest.mark.thorough
def test_a_checkpoint_that_is_damaged_anywhere_costs_its_own_seed_alone(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]], note: Note
) -> None:
    contents = {path: path.read_bytes() for path in FOLDER.iterdir()}
    harmed, refused = interrupted[0], []

    @FEW
    @given(damage())
    def fuzz(harm: Callable[[bytes], bytes]) -> None:
        restore(contents)
        harmed.write_bytes(harm(contents[harmed]))
        status, runs, err = call("small/plain --seed 0 1 --resume")
        if status == 0:  # what it says is untouched
            assert by_seed(runs) == expected
            return
        refused.append(runs)
        assert (status, runs) == (2, expected[1:])
        assert re.search(
            rf"\npython -m harness train: error: {harmed} [^\n]*; delete it to start its runs anew\n$", err
        )

    fuzz()
    assert len(refused) > FEW.max_examples / 2
    note(
        "a damaged checkpoint among those of two seeds",
        "cut, or bytes flipped or zeroed, anywhere, by Hypothesis",
        FEW.max_examples,
        "status 2 and one line that names it, unless what it says is untouched; the other seed resumes all the same",
    )


@pytest.mark.thorough
def test_a_checkpoint_that_is_none_costs_its_own_seed_alone(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]
) -> None:
    Path("precious").write_text("of somebody else")
    contents, [damaged, sound] = {path: path.read_bytes() for path in FOLDER.iterdir()}, interrupted
    for name, odd in {**ODD, "a folder": Path.mkdir}.items():
        if name == "missing":
            continue
        restore({path: raw for path, raw in contents.items() if path != damaged})
        odd(damaged)
        assert call("small/plain --seed 1 --resume")[:2] == (0, expected[1:]), "who does not ask for it has no trouble"
        sound.write_bytes(contents[sound])
        status, runs, err = call("small/plain --seed 0 1 --resume")
        assert (status, runs) == (2, expected[1:]), name
        assert re.search(rf"error: {damaged} [^\n]*; delete it to start its runs anew\n$", err), name
    assert Path("precious").read_text() == "of somebody else"


def test_a_sound_checkpoint_of_another_seed_or_step_costs_its_own_seed_alone(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]
) -> None:
    saved = checkpoint.read(interrupted[0])
    other = checkpoint.read(interrupted[1])
    for changed, why in (
        (Checkpoint("small/simple", saved.head, saved.progress, saved.state), "is of small/simple, not of small/plain"),
        (other, "is not of the seeds that its name says; delete it to start anew"),
    ):
        contents = {path: path.read_bytes() for path in FOLDER.iterdir()}
        interrupted[0].write_bytes(changed.pack())
        status, runs, err = call("small/plain --seed 0 1 --resume")
        assert (status, runs, err.splitlines()[-1]) == (
            2,
            expected[1:],
            f"python -m harness train: error: {interrupted[0]} {why}",
        )
        restore(contents)


def test_a_folder_with_a_name_that_no_run_file_will_have_is_in_nobody_s_way(call: Call) -> None:
    (FOLDER / "seed0-None.jsonl").mkdir(parents=True)
    assert call("small/plain --seed 0")[0] == 0


def test_a_folder_in_the_place_of_a_run_file_costs_its_own_seed_alone(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]
) -> None:
    path = interrupted[0].with_suffix(".jsonl")
    path.unlink()
    path.mkdir()
    status, runs, err = call("small/plain --seed 0 1 --resume")
    assert (status, runs) == (2, expected[1:])
    assert err.splitlines()[-1] == f"python -m harness train: error: {path} is a folder; move it away"
    path.rmdir()
    assert call("small/plain --seed 0 1 --resume")[0] == 0


def test_a_run_that_another_process_trains_costs_its_own_seed_alone(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]]
) -> None:
    with files.locked(interrupted[0]):
        status, runs, err = call("small/plain --seed 0 1 --resume")
    assert (status, runs) == (2, expected[1:])
    assert err.endswith(f"{interrupted[0]} is still being written by another process; wait for it\n")


def test_a_run_that_another_process_ends_meanwhile_is_finished(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one ends both runs once this one has seen their checkpoints, and read the run files as they were."""
    ended: list[int] = []

    def acquire(path: Path, **options: Any) -> Any:
        if not ended:
            ended.append(0)
            assert call("small/plain --seed 0 1 --resume")[0] == 0
        return files.acquire(path, **options)

    monkeypatch.setattr(resume, "acquire", acquire)
    status, runs, err = call("small/plain --seed 0 1 --resume")
    assert (status, by_seed(runs)) == (0, expected), err
    assert [path.suffix for path in FOLDER.iterdir()] == [".jsonl"] * 2


def test_a_finished_run_file_stands_in_for_a_damaged_checkpoint(
    call: Call, interrupted: tuple[Path, Path], expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("small/plain --seed 0 1 --resume")[0] == 0
    interrupted[0].write_bytes(b"damaged")
    monkeypatch.setattr(engines, "work", None)
    status, runs, _ = call("small/plain --seed 0 1 --resume")
    assert (status, by_seed(runs)) == (0, expected)


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """A function that limits the size of each file: a write beyond it fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.thorough
def test_wherever_a_disk_is_full_resuming_comes_to_the_same_once_there_is_room(
    call: Call,
    expected: list[dict[str, Any]],
    limit: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    note: Note,
) -> None:
    monkeypatch.setattr(engines, "work", WORK)
    whole = [path.stat().st_size for path in Path("whole").rglob("*.jsonl")]
    failed = 0
    for size in [*range(0, 2_200, 299), *(max(whole) - more for more in (1, 2))]:
        limit(size)
        status, _, err = call(f"small/plain --seed 0 1 --out {size}")
        limit(resource.RLIM_INFINITY)
        if status != 0:
            failed += 1
            assert re.search(rf"error: cannot write \S+: File too large; {MAKE_ROOM}\n$", err)
        status, runs, _ = call(f"small/plain --seed 0 1 --out {size} --resume")
        assert (status, by_seed(runs)) == (0, expected), size
        assert {path.suffix for path in Path(str(size)).rglob("seed*")} == {".jsonl"}
    assert failed > 5
    note(
        "no room for more of a file",
        "a limit to the size of each file, from nothing to one byte less than what it takes",
        failed,
        "status 2, one line that says to make room; then `--resume` prints the JSON of an uninterrupted training",
    )
