"""The results of a training: epochs, the runs made of them, and the progress of seeds that train together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness import strict_json
from harness.errors import HarnessError
from harness.step import GOAL, TEST_IMAGES, Step

Errors = tuple[tuple[int, int, int], ...]
"""Images that were misclassified: index, digit, digit predicted."""

EAGER, NATIVE = TRAINERS = ("eager", "native")
"""The trainers: torch, operation by operation, and our own in C++, which computes the same bits on every machine."""

AccuracyKind = Literal["test", "train", "clean"]
"""Which accuracy of an epoch: `test_accuracy`, `train_accuracy` or `clean_train_accuracy`."""


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch. Accuracies are in percent.

    `train_accuracy` is the running accuracy of the published notebooks: counted batch by batch while the weights
    change, with dropout and augmentation on. `test_accuracy` and `test_loss`, the mean negative log-likelihood, are
    over all test images after the epoch, and `errors` names those that are misclassified. `clean_train_accuracy` is
    over the first 10,000 training images after the epoch, without dropout and augmentation. `seconds` are wall time,
    evaluation included; where seeds are trained together, the share of one. What older versions did not write is NaN,
    and so is a test loss that is not finite.
    """

    epoch: int
    train_accuracy: float
    test_accuracy: float
    train_loss: float
    seconds: float
    errors: Errors = ()
    test_loss: float = math.nan
    clean_train_accuracy: float = math.nan

    def as_json(self) -> dict[str, Any]:
        """The epoch as files hold it, without what it does not have: NaN is not a number of JSON."""
        value = {name: getattr(self, name) for name in ("epoch", *FIGURES, "errors")}
        return {name: entry for name, entry in value.items() if name not in _OPTIONAL or not math.isnan(entry)}


FIGURES = ("train_accuracy", "clean_train_accuracy", "test_accuracy", "train_loss", "test_loss", "seconds")
"""The numbers of an epoch, in the order in which files have them; of two runs that are the same, all but the last."""
_OPTIONAL = ("clean_train_accuracy", "train_loss", "test_loss")

LARGEST_LOSS = 1e39
"""No loss in a file is larger; float32 ends at 3.4e38."""


def epoch_of_json(value: Any, number: int) -> Epoch:
    """The epoch of that number from its JSON in a run file, a checkpoint or a record; ValueError if it is not one."""
    return Epoch(
        epoch=strict_json.whole(value, "epoch", number, number + 1),
        train_accuracy=strict_json.number(value, "train_accuracy", 0, 100),
        test_accuracy=strict_json.number(value, "test_accuracy", 0, 100),
        train_loss=strict_json.number(value, "train_loss", -LARGEST_LOSS, LARGEST_LOSS),
        seconds=strict_json.number(value, "seconds", 0, 1e9),
        errors=errors_of_json(strict_json.field(value, "errors")),
        test_loss=strict_json.number_or_nan(value, "test_loss", -LARGEST_LOSS, LARGEST_LOSS),
        clean_train_accuracy=strict_json.number_or_nan(value, "clean_train_accuracy", 0, 100),
    )


def trainer_of_json(value: Mapping[str, Any]) -> str:
    """The trainer that JSON names, and eager if it names none, as of older versions; ValueError for any other."""
    if (trainer := value.get("trainer", EAGER)) not in TRAINERS:
        raise ValueError(f"'trainer' is neither {EAGER} nor {NATIVE}")
    return str(trainer)


def errors_of_json(value: Any) -> Errors:
    """The misclassified images from their JSON: ValueError unless it is a list of [index, digit, digit predicted]."""
    triples = value if isinstance(value, list) else [value]
    for triple in triples:
        is_triple = isinstance(triple, list) and len(triple) == 3 and all(type(entry) is int for entry in triple)
        if not is_triple or not 0 <= triple[0] < TEST_IMAGES or not 0 <= min(triple[1:]) < max(triple[1:]) <= 9:
            raise ValueError("'errors' is not a list of [index, digit, digit predicted] of misclassified test images")
    if len({index for index, _, _ in triples}) < len(triples):
        raise ValueError("'errors' has a test image twice")
    return tuple((index, digit, predicted) for index, digit, predicted in triples)


@dataclass(frozen=True)
class Run:
    """One run: a step, a seed and its epochs so far, 1-based and in order."""

    step: type[Step]
    seed: int
    epochs: tuple[Epoch, ...]
    together: int = 1
    """How many seeds were trained at once."""
    failed: str | None = None
    """Why the run ended early, if its loss did not stay finite."""
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Where and with what it was trained, from its run file or its record; empty for a run that has neither."""

    def accuracies(self, kind: AccuracyKind = "test") -> tuple[float, ...]:
        """The accuracy of each epoch, in percent."""
        name = {"test": "test_accuracy", "train": "train_accuracy", "clean": "clean_train_accuracy"}[kind]
        return tuple(getattr(epoch, name) for epoch in self.epochs)

    @property
    def test_losses(self) -> tuple[float, ...]:
        """The test loss of each epoch; NaN where it was not recorded."""
        return tuple(epoch.test_loss for epoch in self.epochs)

    @property
    def final(self) -> tuple[float, ...]:
        """Test accuracy of the final epochs, in percent."""
        return self.accuracies()[-self.step.final_epochs :]

    def final_mean(self, kind: AccuracyKind = "test") -> float:
        """The mean accuracy of the final epochs, in percent."""
        final = self.accuracies(kind)[-self.step.final_epochs :]
        return sum(final) / len(final)

    @property
    def errors(self) -> Errors | None:
        """The test images misclassified after the last epoch; None without epochs, or in a record that names none."""
        last = self.epochs[-1] if self.epochs else None
        return last.errors if last and (last.errors or last.test_accuracy == 100) else None

    @property
    def complete(self) -> bool:
        """Whether all epochs of the recipe were trained; a shortened run is no verdict."""
        return len(self.epochs) == self.step.recipe.epochs and self.failed is None

    @property
    def held(self) -> bool:
        """Whether each of the final epochs of a complete run is at the goal or above."""
        return self.complete and holds(self.final)

    def as_json(self) -> dict[str, Any]:
        """The run as records and the command line show it, with the `errors` of its last epoch only."""
        epochs = [epoch.as_json() for epoch in self.epochs]
        for epoch in epochs:
            del epoch["errors"]
        return {"seed": self.seed, "together": self.together, "epochs": epochs, "errors": self.errors or ()}


def run_of_json(step: type[Step], value: Any, provenance: Mapping[str, Any]) -> Run:
    """The run of a step from its JSON in a record; ValueError if it is not one.

    What older versions did not write is filled in here: seeds were trained one by one, the misclassified images are
    not named, and the loss is NaN.
    """
    value = {"together": 1, "errors": [], **value}
    seed = strict_json.whole(value, "seed", 0, strict_json.SEEDS)
    entries = strict_json.objects(value, "epochs")
    if not entries:
        raise ValueError(f"seed {seed} has no epochs")
    epochs = [_recorded_epoch(entry, number) for number, entry in enumerate(entries, 1)]
    epochs[-1] = replace(epochs[-1], errors=errors_of_json(value["errors"]))
    together = strict_json.whole(value, "together", 1, strict_json.SEEDS)
    return Run(step, seed, tuple(epochs), together, provenance=provenance)


def _recorded_epoch(value: dict[str, Any], number: int) -> Epoch:
    epoch = epoch_of_json({"train_loss": 0.0, **value, "errors": []}, number)
    return epoch if "train_loss" in value else replace(epoch, train_loss=math.nan)


def holds(final: Sequence[float]) -> bool:
    """Whether a run holds the goal: test accuracy in percent at 99.40 or above in every one of its final epochs."""
    return len(final) > 0 and min(final) >= GOAL


def epoch_line(step: type[Step], seed: int, epoch: Epoch, epochs: int | None = None, held_out: bool = False) -> str:
    """The line that reports an epoch, wherever it is shown; of the recipe's epochs unless it is one of fewer.

    It says whether what is judged is the test images or images that were held out, by the recipe or by who trains.
    """
    judged = "held out" if held_out or step.recipe.validation > 0 else "test"
    return (
        f"{step.id} seed {seed} epoch {epoch.epoch}/{epochs or step.recipe.epochs}: train {epoch.train_accuracy:.2f} "
        f"{judged} {epoch.test_accuracy:.2f} ({epoch.seconds:.1f} s)"
    )


Outcome = Epoch | HarnessError
"""The result of an epoch of one seed, or why it has none."""


def finite(outcome: Outcome) -> Epoch:
    """The epoch; raises the outcome if it is an error."""
    if isinstance(outcome, HarnessError):
        raise outcome
    return outcome


def sound(runs: list[Run]) -> list[Run]:
    """The runs, unless some failed; raises HarnessError with every failure."""
    if failures := [run.failed for run in runs if run.failed]:
        raise HarnessError("; ".join(failures))
    return runs


class Progress:
    """The progress of seeds that train together: the epochs of each so far, and why those that failed did."""

    def __init__(self, seeds: Iterable[int]) -> None:
        self.epochs: dict[int, list[Epoch]] = {seed: [] for seed in seeds}
        self.failed: dict[int, str] = {}

    def add(self, outcomes: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """Take in the outcomes of an epoch, by seed; return those of the seeds that had not failed before."""
        news = {seed: outcome for seed, outcome in outcomes.items() if seed not in self.failed}
        for seed, outcome in news.items():
            if isinstance(outcome, Epoch):
                self.epochs[seed].append(outcome)
            else:
                self.failed[seed] = str(outcome)
        return news

    def over(self, epochs: int) -> bool:
        """Whether every seed has failed or has n epochs."""
        return all(seed in self.failed or len(run) >= epochs for seed, run in self.epochs.items())

    def runs(self, step: type[Step], provenance: Mapping[str, Any] | None = None) -> list[Run]:
        """The runs so far, in the order of the seeds."""
        return [
            Run(step, seed, tuple(epochs), len(self.epochs), self.failed.get(seed), provenance or {})
            for seed, epochs in self.epochs.items()
        ]
