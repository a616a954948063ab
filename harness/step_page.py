"""What the report says of one step: its prose, its figures, its plots, and what became of its claims."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from markupsafe import Markup
from torch import Tensor

from harness import claims, plots, svg
from harness.confusion import Confusion, Missed, confusion, missed_by_all
from harness.difference import difference
from harness.docstring import Sentence
from harness.evidence import series
from harness.figures import Figures
from harness.step import StepSpec, find
from harness.verdict import Verdict

SAMPLE = 0  # the test image on which receptive fields are drawn


@dataclass(frozen=True)
class Judged:
    """A sentence of an Analysis, the word for it as a whole (None for a judgement), and the verdict on each claim."""

    sentence: Sentence
    word: str | None
    verdicts: dict[str, Verdict]


@dataclass(frozen=True)
class Page:
    """What the report says of one step."""

    step: type[StepSpec]
    target: str
    result: list[str]
    analysis: list[list[Judged]]
    """The points of the Analysis, each a list of sentences."""
    published: float | None
    figures: Figures | None
    provenance: dict[str, Any]
    changes: list[str]
    curves: Markup | None
    field: Markup
    confusion: Confusion | None
    missed: list[Missed]
    """The test images that all runs miss."""

    @property
    def tally(self) -> Counter[str]:
        """How many sentences are supported, refuted, undecided, or judgements."""
        return Counter(judged.word or "judgement" for point in self.analysis for judged in point)


def page(step: type[StepSpec], kept: dict[str, Any] | None, images: Tensor | None) -> Page:
    """What the report says of one step, of whose runs `kept` is the record."""
    document, runs = step.document(), kept["runs"] if kept else []
    before = find(step.follows) if step.follows else None
    return Page(
        step=step,
        target=document.target,
        result=re.sub(r"\n\s+", " ", document.result).splitlines(),
        analysis=judged(step),
        published=document.published.get("best test"),
        figures=Figures.of(step, runs) if runs else None,
        provenance=kept["provenance"] if kept else {},
        changes=difference(before, step) if before else [],
        curves=curves(step, runs) if runs else None,
        field=field(step, images),
        confusion=confusion(runs),
        missed=missed_by_all(runs),
    )


def judged(step: type[StepSpec]) -> list[list[Judged]]:
    """The Analysis of a step by points and sentences, with what the committed records say of each claim."""
    document, found = step.document(), claims.verdicts(step)
    words = {claim: verdict.word for claim, verdict in found.items()}
    points = [point for point in re.split(r"^- ", document.analysis, flags=re.MULTILINE) if point.strip()]
    return [
        [
            Judged(one, claims.of_sentence(one, words), {claim: found[claim] for claim in one.claims})
            for one in replace(document, analysis=point).sentences
        ]
        for point in points
    ]


def curves(step: type[StepSpec], runs: Sequence[dict[str, Any]]) -> Markup:
    """The learning curves of a step."""
    test, train = ([series(run, kind) for run in runs] for kind in ("test", "train"))
    figure = plots.curves(test, train, step.final_epochs, step.document().published.get("best test"))
    label = f"accuracy by epoch, {len(runs)} run{'s' if len(runs) > 1 else ''}, on a logarithmic scale of the error"
    return svg.inline(figure, f"curves-{step.id}", label, plots.DARK)


def field(step: type[StepSpec], images: Tensor | None) -> Markup:
    """The receptive field of each layer, on a digit if there is one."""
    image = torch.zeros(28, 28, dtype=torch.uint8) if images is None else images[SAMPLE]
    figure, dark = plots.field(step.model(), image)
    label = f"receptive field of a middle unit of each layer; of the whole network {step.receptive_field} pixels"
    return svg.inline(figure, f"field-{step.id}", label, dark)
