"""A file is written whole or not at all, by one process at a time, and a failure is reported in one line."""

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from harness import files
from harness.errors import HarnessError
from harness.files import acquire, locked, read, release, write
from spec.harness.support.paths import ROOT
from spec.harness.support.processes import finish, start


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, b"one")
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "why"),
    [("folder", "Is a directory"), ("file/a", "Not a directory"), ("b/a", "No such file or directory")],
)
def test_what_cannot_be_written_is_named_with_what_to_do(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=f"^cannot write {re.escape(str(tmp_path / place))}: {why}; name another$"):
        write(tmp_path / place, b"", advice="name another")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.parametrize("name", ["a", "x" * 238, "x" * 239, "x" * 255, "x" * 256, "folder/a", "file/a", "new"])
def test_what_can_be_written_is_known_before(tmp_path: Path, name: str) -> None:
    """The longest name of a file has 255 bytes, of which the name of an unfinished one takes 17."""
    (tmp_path / "file").touch()
    (tmp_path / "new").write_bytes(b"old")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    probed = told(lambda: files.probe(tmp_path / name, "name another"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert probed == told(lambda: write(tmp_path / name, b"new", "name another"))
    assert (probed is None) == (name in ("a", "new", "x" * 238))


def told(act: Callable[[], None]) -> str | None:
    try:
        act()
    except HarnessError as error:
        return str(error)
    return None


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("precious")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "link").read_bytes() == b"new"


def fill(path: Path, byte: bytes) -> None:
    for _ in range(40):
        write(path, byte * 100_000)


def test_two_that_write_at_once_each_write_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    finish(*[start(fill, path, byte) for byte in (b"a", b"b")])
    assert path.read_bytes() in (b"a" * 100_000, b"b" * 100_000)
    assert list(tmp_path.iterdir()) == [path]


def count_up(path: Path) -> None:
    for _ in range(30):
        with locked(path):
            write(path, str(int(read(path)) + 1).encode())


def test_those_that_hold_the_lock_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "n"
    path.write_bytes(b"0")
    finish(*[start(count_up, path) for _ in range(3)])
    assert path.read_bytes() == b"90"
    assert list(tmp_path.iterdir()) == [path]


def hold(path: Path, held: Event) -> None:
    """Hold the lock, half-way through a file, until the process is killed."""
    lock = acquire(path)
    path.with_name(f"{path.name}.0123abcd.partial").write_bytes(b"half")
    held.set()
    signal.pause()
    release(lock)


def test_a_lock_that_is_held_is_waited_for_and_then_reported_and_ends_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    held = get_context("fork").Event()
    holder = start(hold, path, held)
    assert held.wait(60)
    monkeypatch.setattr(files, "WAIT", 0.1)
    monkeypatch.setattr(files, "SILENT", 0.0)
    report = f"^{re.escape(str(path))} is still being written by another process; wait for it$"
    with pytest.raises(HarnessError, match=report):
        acquire(path)
    assert capsys.readouterr().err == f"waiting for another process that writes {path}\n"
    holder.kill()
    holder.join(60)
    assert sorted(tmp_path.iterdir()) == [path.with_name("a.json.0123abcd.partial"), path.with_name("a.lock")]
    with locked(path):
        assert list(tmp_path.iterdir()) == [path.with_name("a.lock")]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def broken(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", broken)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    line = f"cannot write {tmp_path / 'a.json'}: its lock, a.lock beside it: {os.strerror(number)}; make room"
    with pytest.raises(HarnessError, match=f"^{re.escape(line)}$"):
        acquire(tmp_path / "a.json", advice="make room")
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["a folder", "a link"])
def test_what_stands_in_the_place_of_a_lock_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.lock")
    with pytest.raises(HarnessError, match=r"cannot write \S+a\.json: its lock, a\.lock beside it: "):
        acquire(tmp_path / "a.json")


def test_git_ignores_what_a_killed_process_leaves() -> None:
    left = ["spec/frontier/records/step6.lock", "README.lock", "docs/benchmark.json.0123abcd.partial"]
    done = subprocess.run(["git", "check-ignore", *left], cwd=ROOT, capture_output=True, text=True, timeout=20)
    if done.returncode == 128:
        pytest.skip("not a git repository")
    assert done.stdout.split() == left


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, socket_at, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)],
    ids=["a pipe", "a socket", "a folder", "a device", "a link to itself"],
)
@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    make(tmp_path / "odd")
    with pytest.raises(OSError, match="odd"):
        read(tmp_path / "odd")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    assert len(read(tmp_path / "a", 11)) == 11
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read(tmp_path / "a", 10)
