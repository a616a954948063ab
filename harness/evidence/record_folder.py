"""The folder of the records of a ladder: what belongs in it, and the checksums of what is there."""

import hashlib
from pathlib import Path

from harness import discovery, files
from harness.errors import HarnessError
from harness.evidence.record import path_of
from harness.step import Step

SUMS = "SHA256SUMS"
"""The name of the file beside the records with their checksums, as sha256sum reads it."""


def checksums(folder: Path) -> str:
    """One line per record in a folder with its SHA-256, by which a digit that changes anywhere in it is noticed."""
    return "".join(_checksum(path) for path in sorted(folder.glob("*.json")))


def _checksum(path: Path) -> str:
    try:
        return f"{hashlib.sha256(files.read(path)).hexdigest()}  {path.name}\n"
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} is not a record: {error}") from error


def changed(step: type[Step]) -> str:
    """Which record of a step or its variants is not that of its checksum, and what to do; empty if there is none.

    Raises HarnessError for a file that cannot be read.
    """
    paths = [path for path in _paths(step) if path.exists()]
    sums = path_of(step).with_name(SUMS)
    try:
        listed = files.read(sums).decode().splitlines(keepends=True) if paths else []
    except FileNotFoundError:
        listed = []
    except (ValueError, OSError) as error:
        raise HarnessError(f"{sums} cannot be read: {error}; restore it with git") from error
    for path in paths:
        if _checksum(path) not in listed:
            return (
                f"{path} is not as its runs wrote it, by {SUMS} beside it; restore it with git, or, if it was meant "
                "to change, write the checksums and texts anew with: pytest -k test_claims --update-records"
            )
    return ""


def check(step: type[Step]) -> None:
    """Raise HarnessError if among the records of a step's ladder there is one of no step."""
    of_steps = {path for one in discovery.steps().values() for path in _paths(one)}
    for path in sorted(path_of(step).parent.glob("*.json")):
        if path not in of_steps:
            raise HarnessError(
                f"{path} is of no step that there is; if a step has got another name, give its record that name too, "
                "and else delete it"
            )


def _paths(step: type[Step]) -> list[Path]:
    """The files of all records of a step and its variants, which need not exist."""
    return [path for one in step.with_variants() for path in (path_of(one), path_of(one, "cuda"))]
