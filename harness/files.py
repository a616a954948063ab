"""Files that are written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from harness.errors import HarnessError
from harness.strict_json import LARGEST


def write(path: Path, raw: bytes, advice: str = "it is as it was") -> None:
    """Put the bytes there in one move: at no time is there half a file of that name.

    Raises HarnessError with the advice if that cannot be done.
    """
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}; {advice}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def read(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a file; ValueError if there are more than so many, OSError if it cannot be read."""
    with path.open("rb") as stream:
        raw = stream.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it has more than {most} bytes")
    return raw
