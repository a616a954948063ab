"""What was published of a step: the log of its one run, and how many sentences its Analysis has.

They are figures, without the text, in spec/<ladder>/published/<step>.json.
"""

import math
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path

from harness import files, strict_json
from harness.errors import HarnessError
from harness.run import LARGEST_LOSS, Epoch, Run
from harness.step import Step

SEED = 1  # of every published run


@dataclass(frozen=True)
class Published:
    """The figures of a published step.

    `sentences` are those of its Analysis, counted from 1: one ends with a full stop, an exclamation or a question mark,
    and an entry of a list without one is a sentence. `log` is the run: of its epochs, what the log prints. `digits` are
    the test accuracies of the ten digits after the last epoch, in percent, if they are in the log.
    """

    source: str
    """The notebook, with its repository and commit."""
    sentences: int
    log: Run
    digits: tuple[float, ...] = ()


def path_of(step: type[Step]) -> Path:
    """Where the published figures of a step are, whether they exist or not."""
    return step.file_in("published", ".json")


def read(step: type[Step]) -> Published | None:
    """What was published of a step; None if nothing was, HarnessError if the file is damaged."""
    path = path_of(step)
    if not lexists(path):
        return None
    try:
        value = strict_json.parse(files.read(path))
        if strict_json.text(value, "step") != step.id:
            raise ValueError(f"it is of {value['step'][:80]}")
        entries = strict_json.objects(value, "epochs")
        if len(entries) != step.recipe.epochs:
            raise ValueError(f"it has {len(entries)} epochs, and the recipe {step.recipe.epochs}")
        digits = value.get("digits", [])
        if not isinstance(digits, list) or len(digits) not in (0, 10):
            raise ValueError("'digits' are not ten accuracies")
        return Published(
            source=strict_json.text(value, "source", strict_json.LONGEST),
            sentences=strict_json.whole(value, "sentences", 1, 100),
            log=Run(step, SEED, tuple(_epoch(entry, number) for number, entry in enumerate(entries, 1))),
            digits=tuple(strict_json.number({"digit": one}, "digit", 0, 100) for one in digits),
        )
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} does not hold what was published of {step.id}: {error}") from error


def _epoch(value: dict[str, object], number: int) -> Epoch:
    return Epoch(
        epoch=strict_json.whole(value, "epoch", number, number + 1),
        train_accuracy=strict_json.number(value, "train_accuracy", 0, 100),
        test_accuracy=strict_json.number(value, "test_accuracy", 0, 100),
        train_loss=strict_json.number_or_nan(value, "train_loss", 0, LARGEST_LOSS),
        seconds=math.nan,
        test_loss=strict_json.number(value, "test_loss", 0, LARGEST_LOSS),
    )
