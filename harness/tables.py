"""The tables of the README, made from the specs and their records."""

from harness import record, stats
from harness.step import StepSpec, steps

HEADER = (
    "| step | parameters | receptive field | published best test | measured, final epochs | worst | held |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)


def ladder_table(ladder: str) -> str:
    """A Markdown table of one ladder, a row a step; what was not published or measured is left empty.

    Measured is the mean test accuracy over the final epochs of all seeds with its 95 % interval over seeds.
    """
    return HEADER + "".join(_row(step) for step in steps().values() if step.ladder == ladder)


def _row(step: type[StepSpec]) -> str:
    published = step.document().published.get("best test")
    cells = [f"`{step.id}`", f"{step.parameters:,}", str(step.receptive_field), f"{published:.2f}" if published else ""]
    return "| " + " | ".join([*cells, *_measured(step)]) + " |\n"


def _measured(step: type[StepSpec]) -> list[str]:
    evidence = record.final_accuracies(step)
    if not evidence:
        return ["", "", ""]
    mean, low, high = stats.mean_interval([sum(run) / len(run) for run in evidence])
    interval = f" [{low:.2f}, {high:.2f}]" if len(evidence) > 1 else ""
    held = sum(map(stats.holds, evidence))
    return [f"{mean:.2f}{interval}", f"{min(map(min, evidence)):.2f}", f"{held} of {len(evidence)}"]
