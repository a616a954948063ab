"""Run files: JSON Lines, one epoch per line, written while the run trains, so that a run that dies leaves whole lines.

The first line says when, where and with what the run started. A run whose loss did not stay finite ends with a line
that says so.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.errors import HarnessError
from harness.jobs.job import AGAIN
from harness.run import Epoch, Outcome, Run, epoch_of_json
from harness.step import Step

MAKE_ROOM = f"make room, or mend the folder, and {AGAIN}"
NOT_PROVENANCE = {"step", "seed", "started", "together", "commit", "dirty"}  # the rest of the first line is


class RunFile:
    """The file of one run, made anew with what is known of it so far; HarnessError if it cannot be written.

    Whatever had its name before is replaced, so nothing that happened to a run file can stop its run.
    """

    def __init__(self, path: Path, head: dict[str, Any], outcomes: Iterable[Outcome]) -> None:
        self.path = path
        files.write(path, "".join(map(_line, [head, *map(_as_json, outcomes)])).encode(), MAKE_ROOM)
        with files.writable(path, MAKE_ROOM):
            self._file = path.open("a", encoding="utf-8")

    def add(self, outcome: Outcome) -> None:
        """Append an epoch, or the reason why there are no more, and flush it, so that it outlives this process."""
        with files.writable(self.path, MAKE_ROOM):
            self._file.write(_line(_as_json(outcome)))
            self._file.flush()

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        with files.writable(self.path, MAKE_ROOM):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; a line that could not be written has raised its error already."""
        with suppress(OSError):
            self._file.close()


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return outcome.as_json() if isinstance(outcome, Epoch) else {"failed": str(outcome)}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"


def read(path: Path, step: type[Step]) -> Run:
    """The run in a run file, without a last line that was cut short; HarnessError if it is no run file of the step."""
    try:
        lines = files.read(path).splitlines(keepends=True)
        values = [strict_json.parse(line) for line in lines if line.endswith(b"\n")]
        head, *rest = values or [None]
        if strict_json.text(head, "step") != step.id:
            raise ValueError(f"it is of {head['step'][:80]}")
        strict_json.facts({key: value for key, value in head.items() if key not in ("step", "seed")})
        failed = strict_json.text(rest.pop(), "failed", strict_json.LONGEST) if rest and "failed" in rest[-1] else None
        return Run(
            step,
            strict_json.whole(head, "seed", 0, strict_json.SEEDS),
            tuple(epoch_of_json(value, number) for number, value in enumerate(rest, 1)),
            head.get("together", 1),
            failed,
            provenance_of(head),
        )
    except (ValueError, TypeError, OSError) as error:
        raise HarnessError(f"{path} is not a run file of {step.id}: {error}; move it away") from error


def provenance_of(head: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a run, from the first line of its file."""
    return {key: value for key, value in head.items() if key not in NOT_PROVENANCE}
