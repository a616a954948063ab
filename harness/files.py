"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write(path: Path, raw: bytes) -> None:
    """Put the bytes there in one move: at no time is there half a file of that name."""
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
