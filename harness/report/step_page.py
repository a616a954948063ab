"""The section of one step in the report: its prose, figures and plots, and the verdicts on its claims."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from markupsafe import Markup
from torch import Tensor

from harness import claims
from harness.claims import Verdict
from harness.claims.sentences import outcome, words_of
from harness.discovery import find
from harness.docstring import Sentence, points
from harness.evidence import published
from harness.evidence.comparison import beside_cpu
from harness.evidence.confusion import Confusion, Missed, confusion, missed_by_all
from harness.evidence.facts import difference
from harness.evidence.record import Record
from harness.evidence.summary import Summary
from harness.provenance import shared
from harness.report import plots, svg
from harness.run import Run
from harness.step import Step

SAMPLE = 0  # the test image on which receptive fields are drawn


@dataclass(frozen=True)
class Judged:
    """A sentence, its outcome as a whole, and the verdict on each of its claims."""

    sentence: Sentence
    outcome: str
    verdicts: dict[str, Verdict]


@dataclass(frozen=True)
class OnGpu:
    """What the record of a GPU adds to a step's section."""

    summary: Summary
    outdated: bool
    provenance: Mapping[str, Any]
    beside_cpu: str | None
    """Its difference from the CPU's record, in words; None without one."""


@dataclass(frozen=True)
class Section:
    """The content of a step's section."""

    step: type[Step]
    target: str
    result: list[str]
    analysis: list[list[Judged]]
    """The points of the Analysis, each a list of sentences."""
    notes: list[list[Judged]]
    published: float | None
    summary: Summary | None
    outdated: bool
    """Whether the runs are of another network or recipe than the step has now."""
    provenance: Mapping[str, Any]
    on_gpu: OnGpu | None
    changes: list[str]
    curves: Markup | None
    losses: Markup | None
    """None where no run has its test loss."""
    field: Markup
    confusion: Confusion | None
    missed: list[Missed]
    """The test images that all runs miss."""

    @property
    def tally(self) -> Counter[str]:
        """How many sentences of the Analysis have each outcome."""
        return Counter(judged.outcome for point in self.analysis for judged in point)


def section(step: type[Step], record: Record | None, images: Tensor | None, gpu: Record | None) -> Section:
    """The section of a step, with the runs of a record, and beside them those of a GPU's."""
    document, verdicts = step.document(), claims.verdicts(step)
    runs = record.runs if record else ()
    before = find(step.follows) if step.follows else None
    return Section(
        step=step,
        target=document.target,
        result=re.sub(r"\n\s+", " ", document.result).splitlines(),
        analysis=judged(document.analysis, verdicts),
        notes=judged(document.notes, verdicts),
        published=document.published.get("best test"),
        summary=Summary.of(runs) if runs else None,
        outdated=record is not None and record.outdated,
        provenance=provenance(record) if record else {},
        on_gpu=on_gpu(gpu, runs) if gpu else None,
        changes=difference(before, step) if before else [],
        curves=curves(step, runs) if runs else None,
        losses=losses(step, runs),
        field=field(step, images),
        confusion=confusion(runs),
        missed=missed_by_all(runs),
    )


def provenance(record: Record) -> dict[str, Any]:
    """What the runs of a record were made with: what binds them all, and how many kinds of the rest there are."""
    return {**shared(run.provenance for run in record.runs), **record.provenance}


def on_gpu(gpu: Record, cpu: Sequence[Run]) -> OnGpu:
    """The record of a GPU beside the runs of a CPU, if there are any."""
    return OnGpu(Summary.of(gpu.runs), gpu.outdated, provenance(gpu), beside_cpu(gpu.runs, cpu) if cpu else None)


def judged(prose: str, verdicts: Mapping[str, Verdict]) -> list[list[Judged]]:
    """A section of a docstring by points and sentences, with the verdict on each claim."""
    words = words_of(verdicts)
    return [
        [Judged(one, outcome(one, words), {claim: verdicts[claim] for claim in one.claims}) for one in point]
        for point in points(prose)
    ]


def curves(step: type[Step], runs: Sequence[Run]) -> Markup:
    """The learning curves of a step."""
    test, train = [run.accuracies() for run in runs], [run.accuracies("train") for run in runs]
    figures = published.read(step)
    figure = plots.curves(test, train, step.final_epochs, figures.log.accuracies() if figures else None)
    label = f"accuracy by epoch, {len(runs)} run{'s' if len(runs) > 1 else ''}, on a logarithmic scale of the error"
    return svg.inline(figure, f"curves-{step.id}", label, plots.DARK)


def losses(step: type[Step], runs: Sequence[Run]) -> Markup | None:
    """The test loss of a step by epoch, of the runs that have it; None if none does."""
    test = [run.test_losses for run in runs if not math.isnan(run.test_losses[-1])]
    if not test:
        return None
    figures = published.read(step)
    figure = plots.losses(test, step.final_epochs, figures.log.test_losses if figures else None)
    label = f"test loss by epoch, {len(test)} run{'s' if len(test) > 1 else ''}, on a logarithmic scale"
    return svg.inline(figure, f"losses-{step.id}", label, plots.DARK)


def field(step: type[Step], images: Tensor | None) -> Markup:
    """The receptive field of each layer, drawn on a digit if test images are given."""
    image = torch.zeros(28, 28, dtype=torch.uint8) if images is None else images[SAMPLE]
    figure, dark = plots.field(step.network(), image)
    label = f"receptive field of a middle unit of each layer; of the whole network {step.receptive_field} pixels"
    return svg.inline(figure, f"field-{step.id}", label, dark)
