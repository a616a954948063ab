"""The log of a search: a line of JSON for each run of a candidate, which a later search does not repeat."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import files, strict_json
from harness.errors import HarnessError
from harness.run import EAGER, trainer_of_json


@dataclass(frozen=True)
class Trial:
    """One run of a candidate: a line of the log.

    `validation` is the accuracy in percent of its final epochs on the images held out, `train` the training accuracy of
    its last epoch. A run that `failed`, since its loss was not finite, has the epochs before that, and no accuracy.
    """

    candidate: str
    parameters: int
    fingerprint: str
    seed: int
    validation: tuple[float, ...]
    train: float
    seconds: float
    trainer: str = EAGER
    failed: str | None = None

    @property
    def final(self) -> float:
        """The mean validation accuracy over the final epochs; minus infinity if the run failed."""
        return sum(self.validation) / len(self.validation) if self.failed is None else float("-inf")


def read(log: Path) -> list[Trial]:
    """The trials in a log, in order, without a last line that was cut off; none if there is no such file.

    Raises HarnessError if it is not the log of a search.
    """
    *lines, _ = _bytes(log).split(b"\n")
    trials = []
    for number, line in enumerate(lines, 1):
        try:
            trials.append(_trial_of_json(strict_json.parse(line)))
        except ValueError as error:
            raise HarnessError(f"{log} is not the log of a search: line {number}: {error}") from error
    return trials


def _bytes(log: Path) -> bytes:
    """What is in a log; nothing if there is no such file, HarnessError if it cannot be read."""
    try:
        return files.read(log)
    except FileNotFoundError:
        return b""
    except (ValueError, OSError) as error:
        raise HarnessError(f"{log} is not the log of a search: {error}") from error


def _trial_of_json(value: Any) -> Trial:
    """A trial from its JSON; ValueError if it is not one."""
    validation, failed = strict_json.field(value, "validation"), value.get("failed")
    if not isinstance(validation, list) or bool(validation) == (failed is not None):
        raise ValueError("'validation' is not a list of accuracies")
    return Trial(
        candidate=strict_json.text(value, "candidate", strict_json.LONGEST),
        parameters=strict_json.whole(value, "parameters", 0, 10**12),
        fingerprint=strict_json.text(value, "fingerprint"),
        seed=strict_json.whole(value, "seed", 0, strict_json.SEEDS),
        validation=tuple(strict_json.number({"validation": one}, "validation", 0, 100) for one in validation),
        train=strict_json.number(value, "train", 0, 100),
        seconds=strict_json.number(value, "seconds", 0, 1e9),
        trainer=trainer_of_json(value),
        failed=None if failed is None else strict_json.text(value, "failed", strict_json.LONGEST),
    )


def _as_json(trial: Trial) -> dict[str, Any]:
    """The JSON of a trial, without what lines of older versions do not have: that it is eager, and did not fail."""
    return {
        key: value for key, value in asdict(trial).items() if (key, value) not in (("trainer", EAGER), ("failed", None))
    }


def append(log: Path, trial: Trial) -> None:
    """Append a trial to what the log has by now; HarnessError if it cannot be read or written.

    The log is replaced in one move, without a last line that was cut off.
    """
    with files.locked(log):
        lines, end, _ = _bytes(log).rpartition(b"\n")
        files.write(log, lines + end + json.dumps(_as_json(trial)).encode() + b"\n")
