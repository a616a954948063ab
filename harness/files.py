"""Files that are written whole or not at all, by one process at a time, and read up to a limit.

Whoever reads a file in order to replace it holds its lock meanwhile: an empty file beside it, which is removed with the
lock. A lock ends with its process, so a file that a killed one left stops nobody; git ignores it.
"""

import errno
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.escape import printable

LARGEST = 1 << 26  # bytes; the record of a hundred seeds has a twentieth of it
LOCK, PARTIAL = ".lock", ".partial"
WAIT, SILENT = 60.0, 5.0  # seconds: for a lock that another process holds, and until a line says so
TEMPORARY = "TMPDIR names the folder for them"
"""What to do where temporary files cannot be written."""

_UNCHANGED = "it is as it was"


@contextmanager
def writable(path: Path, advice: str = _UNCHANGED) -> Iterator[None]:
    """The boundary around writing a file or a folder: HarnessError, which ends with what to do, if that fails."""
    try:
        yield
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def write(path: Path, raw: bytes, advice: str = _UNCHANGED) -> None:
    """Write a file in one move: a reader finds the old bytes or the new ones, and never a part of them.

    Whatever but a folder has that name is replaced, and no link is followed.
    Raises HarnessError, whose message ends with the advice, if the file cannot be written.
    """
    with _unfinished(path, advice) as unfinished:
        with unfinished.open("xb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)


def probe(path: Path, advice: str = _UNCHANGED) -> None:
    """Raise HarnessError, as `write` would, if a file cannot be written; before what is to be written is made."""
    with _unfinished(path, advice) as unfinished:
        unfinished.touch(exist_ok=False)


@contextmanager
def _unfinished(path: Path, advice: str) -> Iterator[Path]:
    """The name of a file while it is written, by this call alone; what has that name in the end is removed."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with writable(path, advice):
            yield unfinished
    finally:
        with suppress(OSError):
            unfinished.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder, which is gone in the end; HarnessError if there can be none."""
    try:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        raise HarnessError(f"no temporary files can be written: {error.strerror}; {TEMPORARY}") from error
    with folder as name:
        yield Path(name)


def read(path: Path, limit: int = LARGEST) -> bytes:
    """The bytes of a file; ValueError if there are more than `limit`, OSError if it cannot be read."""
    with open_regular(path) as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return raw


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """The boundary around looking at a path that a user gave, and nothing else: HarnessError if that is impossible.

    Such as for a name that is too long, a folder that may not be read, or a link to itself, a RuntimeError of pathlib.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HarnessError(f"cannot read {path}: {reason}; name another") from error


def open_regular(path: Path) -> BinaryIO:
    """A file, opened for reading; OSError if it is a pipe, a device or a socket, which might never end."""
    return open(path, "rb", opener=_regular)


def _regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)  # opening a pipe would wait for its writer
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # `open` itself refuses a folder
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "Not a regular file", path)


def acquire(path: Path, wait: float | None = None, advice: str = _UNCHANGED) -> FileLock:
    """The lock of a file, once no other process has it.

    What a process that was killed left of the file half-written is removed: only the holder of the lock writes it.
    Raises HarnessError if another still has it after `wait` seconds, and, with a message that ends with the advice, if
    there can be no lock.
    """
    place, longest = path.with_suffix(LOCK), WAIT if wait is None else wait
    lock = FileLock(place)
    try:
        try:
            lock.acquire(timeout=min(longest, SILENT))
        except Timeout:
            if longest > SILENT:
                print(printable(f"waiting for another process that writes {path}"), file=sys.stderr)
            lock.acquire(timeout=max(longest - SILENT, 0))
    except Timeout as error:
        raise HarnessError(f"{path} is still being written by another process; wait for it") from error
    except OSError as error:
        why = error.strerror or error
        raise HarnessError(f"cannot write {path}: its lock, {place.name} beside it: {why}; {advice}") from error
    remove_unfinished(path)
    return lock


def release(lock: FileLock) -> None:
    """Give a lock up. Its file is removed first: whoever waits for it notices, and makes another."""
    with suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left of a file half-written. Only for the holder of the lock that it is under."""
    for unfinished in path.parent.glob(f"{escape(path.name)}.*{PARTIAL}"):
        with suppress(OSError):
            unfinished.unlink()


@contextmanager
def locked(path: Path, wait: float | None = None, advice: str = _UNCHANGED) -> Iterator[None]:
    """Hold the lock of a file; see `acquire` for the errors."""
    lock = acquire(path, wait, advice)
    try:
        yield
    finally:
        release(lock)
