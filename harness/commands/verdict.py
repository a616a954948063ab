"""The sentences under the table of a training: how many runs held the goal, and how likely that is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.commands.console import chance
from harness.run import Run
from harness.step import GOAL, Step

if TYPE_CHECKING:
    from harness.evidence.summary import Summary


def verdict(runs: list[Run]) -> str:
    """The sentences under the table: how many held, how many should by the record, and what a miss means."""
    from harness.evidence import record
    from harness.evidence.summary import Summary

    step, summary = runs[0].step, Summary.of(runs)
    if not summary.complete:
        return f"No verdict: shortened to {summary.epochs} of {step.recipe.epochs} epochs."
    images = " of the images held out" if step.recipe.validation > 0 else ""
    by = _share(summary, "seed", runs)
    sentences = [f"{GOAL:.2f} %{images} held over the final {step.final_epochs} epochs by {by}."]
    if not step.goal:
        sentences.append(f"The step does not claim to hold {GOAL:.2f} %.")
    elif step.goal_is_refuted() and (recorded := record.runs(step)):
        held = Summary.of(recorded).verdict
        sentences.append(f"The step is said to hold it, which its record refutes: {held} runs do.")
    else:
        sentences.append(expectation(step))
        if summary.held < summary.runs:
            seeds = " ".join(str(max(summary.seeds) + more) for more in range(1, 6))
            sentences.append(f"{_miss(runs)}; five more runs tell: python -m harness train {step.id} --seed {seeds}")
    return "\n".join(sentences)


def _miss(runs: Sequence[Run]) -> str:
    """Why one run that did not hold the goal is no refutation."""
    from harness.provenance import is_native

    if all(is_native(run.provenance) for run in runs):
        return "One miss does not refute the step"
    return "A seed is another run on another kind of CPU or with more threads, so one miss does not refute the step"


def expectation(step: type[Step]) -> str:
    """How likely a run of a step is to hold the goal, by its record."""
    from harness.evidence import record
    from harness.evidence.statistics import LEAST_RUNS, chance_below
    from harness.evidence.summary import Summary

    runs = record.runs(step)
    if len(runs) < LEAST_RUNS:
        return f"Its record has fewer than {LEAST_RUNS} runs, too few to say how likely that is."
    miss = chance_below([min(run.final) for run in runs], GOAL)
    often = f"about 1 run in {1 / miss:,.0f} misses" if miss >= 0.001 else "fewer than 1 run in 1,000 misses"
    return f"Of its record {_share(Summary.of(runs), 'run', runs)} held it; by Student's prediction from them {often}."


def _share(summary: "Summary", what: str, runs: Sequence[Run]) -> str:
    """How many held, with the exact interval for their share, and the machines."""
    plural = "s" if summary.runs > 1 else ""
    return f"{summary.held} of {summary.runs} {what}{plural} ({', '.join([chance(summary.share), *_machines(runs)])})"


def _machines(runs: Sequence[Run]) -> list[str]:
    """Where runs were made and with how many threads, as far as their figures depend on it."""
    from harness.provenance import is_native

    if all(is_native(run.provenance) for run in runs):
        return ["the same on every machine"]
    names = list(dict.fromkeys(str(run.provenance["hardware"]) for run in runs if "hardware" in run.provenance))
    threads = {run.provenance.get("threads") for run in runs}
    where = names if len(names) < 2 else [f"{len(names)} kinds of machine"]
    match list(threads):
        case [int(n)] if n:
            where.append(f"{n} thread{'s' if n > 1 else ''}")
    return where
