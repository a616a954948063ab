"""Files that are written whole or not at all, and read up to a limit."""

import os
from contextlib import suppress
from pathlib import Path

from harness.errors import HarnessError

LARGEST = 1 << 26  # bytes; the record of a hundred seeds has a twentieth of it


_UNCHANGED = "it is as it was"


def unwritable(path: Path, error: OSError, advice: str = _UNCHANGED) -> HarnessError:
    """The error for a file that cannot be written, which ends with what to do."""
    return HarnessError(f"cannot write {path}: {error.strerror or error}; {advice}")


def write(path: Path, raw: bytes, advice: str = _UNCHANGED) -> None:
    """Write a file in one move: a reader finds the old bytes or the new ones, and never a part of them.

    Raises HarnessError, whose message ends with the advice, if the file cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise unwritable(path, error, advice) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def read(path: Path, limit: int = LARGEST) -> bytes:
    """The bytes of a file; ValueError if there are more than `limit`, OSError if it cannot be read."""
    with path.open("rb") as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return raw
