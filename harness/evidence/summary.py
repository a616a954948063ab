"""The figures of some runs of a step that every table shows, and the sentence that a docstring carries of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Self

from harness.evidence import statistics
from harness.evidence.record import read
from harness.evidence.statistics import Interval
from harness.provenance import is_native
from harness.run import Run
from harness.step import Step


@dataclass(frozen=True)
class Summary:
    """The figures of some runs of one step, accuracies in percent.

    `accuracy` is the mean test accuracy over the final epochs of all runs, with its interval over runs, and `worst` the
    lowest of those accuracies. `complete` says whether all runs are as long as the recipe: one that is not is no
    verdict. `seconds` is the median time of an epoch, which other work on a machine moves little.
    """

    runs: int
    accuracy: Interval
    worst: float
    held: int
    share: Interval
    """The share of the runs that hold the goal, with its exact interval."""
    mean_best: float
    """The best test accuracy of each run, on average: that of one run may be compared with it."""
    mean_best_train: float
    """Likewise in training."""
    seconds: float
    epochs: int
    """Of the shortest run."""
    complete: bool
    seeds: tuple[int, ...]
    together: int
    """The most seeds that were trained at once."""

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Self:
        """The figures of one run or more."""
        held = sum(run.held for run in runs)
        return cls(
            runs=len(runs),
            accuracy=statistics.accuracy_interval([run.final_mean() for run in runs]),
            worst=min(min(run.final) for run in runs),
            held=held,
            share=statistics.binomial_interval(held, len(runs)),
            mean_best=fmean(max(run.accuracies()) for run in runs),
            mean_best_train=fmean(max(run.accuracies("train")) for run in runs),
            seconds=median(epoch.seconds for run in runs for epoch in run.epochs),
            epochs=min(len(run.epochs) for run in runs),
            complete=all(run.complete for run in runs),
            seeds=tuple(run.seed for run in runs),
            together=max(run.together for run in runs),
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


def measured(step: type[Step]) -> str | None:
    """The sentence that a docstring carries after "Measured:", made from the record; None without a record."""
    record = read(step)
    if record is None:
        return None
    summary = Summary.of(record.runs)
    return (
        f"{summary.accuracy:.2f} over the final {step.final_epochs} epochs of {summary.runs} "
        f"seed{'s' if summary.runs > 1 else ''}, worst {summary.worst:.2f}; "
        f"held by {summary.verdict_with_interval}; "
        f"mean best train {summary.mean_best_train:.2f}, mean best test {summary.mean_best:.2f} "
        f"({_maker(record.provenance)})"
    )


def _maker(made: Mapping[str, Any]) -> str:
    """What the figures of a record depend on, by its provenance."""
    if is_native(made):
        return f"native trainer, numerics {made['numerics']}, the same on every machine"
    return f"{' '.join(made['hardware'].split())}, torch {' '.join(made['torch'].split())}"
