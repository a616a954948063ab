"""The figures of a step that tables show, from the runs of its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from harness.evidence import statistics
from harness.evidence.quantities import series
from harness.evidence.record import read
from harness.evidence.statistics import Interval
from harness.run import holds
from harness.step import Step


@dataclass(frozen=True)
class Summary:
    """What some runs of a step came to, accuracies in percent.

    `accuracy` is the mean test accuracy over the final epochs of all runs, with its interval over runs, and `worst` the
    lowest of those accuracies. `complete` says whether all runs are as long as the recipe: one that is not is no
    verdict. `seconds` is the median time of an epoch, which other work on a machine moves little.
    """

    runs: int
    accuracy: Interval
    worst: float
    held: int
    share: Interval
    """Of the runs that hold."""
    best_test: float
    best_train: float
    seconds: float
    epochs: int
    """Of the shortest run."""
    complete: bool
    seeds: tuple[int, ...]
    together: int
    """The most seeds that were trained at once."""

    @classmethod
    def of(cls, step: type[Step], runs: Sequence[dict[str, Any]]) -> Self:
        """The figures of one run or more."""
        final = [series(run)[-step.final_epochs :] for run in runs]
        held = sum(map(holds, final))
        return cls(
            runs=len(runs),
            accuracy=statistics.accuracy_interval([sum(run) / len(run) for run in final]),
            worst=min(map(min, final)),
            held=held,
            share=statistics.binomial_interval(held, len(final)),
            best_test=max(max(series(run)) for run in runs),
            best_train=max(max(series(run, "train")) for run in runs),
            seconds=median(epoch["seconds"] for run in runs for epoch in run["epochs"]),
            epochs=min(len(run["epochs"]) for run in runs),
            complete=all(len(run["epochs"]) == step.recipe.epochs for run in runs),
            seeds=tuple(run["seed"] for run in runs),
            together=max(run.get("together", 1) for run in runs),
        )

    @property
    def shows_goal(self) -> bool:
        """Whether every run held the goal, and they are enough to show it: five of five are, one of one is not."""
        return self.complete and self.held == self.runs and statistics.contradicts(False, self.held, self.runs)

    @property
    def verdict(self) -> str:
        """How many runs held the goal, in words."""
        return f"{self.held} of {self.runs}" if self.complete else "no verdict"

    @property
    def verdict_with_interval(self) -> str:
        """How many runs held the goal, in words, and the exact interval for the share of runs that do."""
        return f"{self.verdict} [{self.share.low:.2f}, {self.share.high:.2f}]" if self.complete else self.verdict


def final_accuracies(step: type[Step]) -> list[list[float]]:
    """Test accuracy of the final epochs, a list a run; empty without a record."""
    record = read(step) or {"runs": []}
    return [[epoch["test_accuracy"] for epoch in run["epochs"][-step.final_epochs :]] for run in record["runs"]]


def measured(step: type[Step]) -> str | None:
    """The sentence that a docstring carries after "Measured:", made from the record; None without a record."""
    record = read(step)
    if record is None:
        return None
    final = final_accuracies(step)
    epochs = [epoch for run in record["runs"] for epoch in run["epochs"]]
    accuracy = statistics.accuracy_interval([sum(run) / len(run) for run in final])
    held = sum(map(holds, final))
    share = statistics.binomial_interval(held, len(final))
    made = record["provenance"]
    return (
        f"{accuracy:.2f} over the final {step.final_epochs} epochs of {len(final)} "
        f"seed{'s' if len(final) > 1 else ''}, worst {min(map(min, final)):.2f}; "
        f"held by {held} of {len(final)} [{share.low:.2f}, {share.high:.2f}]; "
        f"best train {max(epoch['train_accuracy'] for epoch in epochs):.2f}, "
        f"best test {max(epoch['test_accuracy'] for epoch in epochs):.2f} "
        f"({' '.join(made['hardware'].split())}, torch {' '.join(made['torch'].split())})"
    )
