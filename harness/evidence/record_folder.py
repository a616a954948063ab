"""The folder of the records of a ladder: the checksums of what is in it."""

import hashlib
from pathlib import Path

from harness import files
from harness.errors import HarnessError

SUMS = "SHA256SUMS"
"""The name of the file beside the records with their checksums, as sha256sum reads it."""


def checksums(folder: Path) -> str:
    """One line per record in a folder with its SHA-256, by which a digit that changes anywhere in it is noticed."""
    lines = []
    for path in sorted(folder.glob("*.json")):
        try:
            lines.append(f"{hashlib.sha256(files.read(path)).hexdigest()}  {path.name}\n")
        except (ValueError, OSError) as error:
            raise HarnessError(f"{path} is not a record: {error}") from error
    return "".join(lines)
