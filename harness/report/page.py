"""The report: every specification and its evidence on one self-contained HTML page.

The same specs and records always give the same page: it has no date.
"""

import base64
import functools
import importlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.image import imsave
from torch import Tensor

from harness.claims.sentences import OUTCOMES
from harness.errors import HarnessError
from harness.evidence import record
from harness.evidence.confusion import missed
from harness.evidence.record import Record
from harness.evidence.summary import Summary
from harness.report import plots, svg
from harness.report.step_page import Section, section
from harness.step import GOAL, Step

SHOWN_MISSED = 24  # images per step; the others are named by their index
STRIP = (98.0, 99.7)  # percent; the ends of the strips in the table of all steps


@dataclass(frozen=True)
class Ladder:
    """The steps of a ladder, and the docstring of its package."""

    name: str
    title: str
    text: list[str]
    """Paragraphs."""
    sections: list[Section]

    @property
    def tally(self) -> Counter[str]:
        """How many sentences of the Analyses of all steps have each outcome."""
        return sum((each.tally for each in self.sections), Counter())


def html(specs: Iterable[type[Step]], images: Tensor | None, fresh: Mapping[str, Record] | None = None) -> str:
    """The HTML of the page.

    Args:
        specs: the steps, those of one ladder in order.
        images: the test images, N x 28 x 28 grey levels, on which fields and missed digits are drawn; None draws
            fields on an empty image, and names missed digits by their index.
        fresh: records to show in place of the committed ones of CPU and GPU, by the id of their step.

    Raises HarnessError for a docstring or a record that cannot be read, and a claim that is not in the vocabulary.

    """
    fresh = fresh or {}
    records = {step: fresh.get(step.id) or record.read(step) for step in specs}
    on_gpu = {step: None if step.id in fresh else record.read(step, "cuda") for step in records}
    sections = [section(step, shown, images, on_gpu[step]) for step, shown in records.items()]
    runs = [run for shown in records.values() if shown for run in shown.runs]
    hardest = missed(runs)[:SHOWN_MISSED]
    drawn = {
        image.index
        for images_of in (hardest, *(each.missed[:SHOWN_MISSED] for each in sections))
        for image in images_of
    }
    template = environment().get_template("report.html.j2")
    return template.render(
        ladders=ladders(sections),
        sections=sections,
        outcomes=OUTCOMES,
        tally=sum((each.tally for each in sections), Counter[str]()),
        runs=len(runs),
        goal=GOAL,
        strip_ends=STRIP,
        wide=frontier(sections, "wide", 9.0),
        narrow=frontier(sections, "narrow", 4.6),
        hardest=hardest,
        runs_with_errors=sum(run.errors is not None for run in runs),
        shown_missed=SHOWN_MISSED,
        mnist=images is not None,
        pngs={index: png(images[index]) for index in sorted(drawn)} if images is not None else {},
        fresh=bool(fresh),
    )


def ladders(sections: Sequence[Section]) -> list[Ladder]:
    """The sections of the steps by ladder, in order; a ladder whose specs are in no package has no text."""
    result = []
    for name in dict.fromkeys(each.step.ladder for each in sections):
        of_ladder = [each for each in sections if each.step.ladder == name]
        package = of_ladder[0].step.__module__.rpartition(".")[0]
        prose = importlib.import_module(package).__doc__ if package else None
        title, *text = (prose or name).strip().split("\n\n")
        result.append(Ladder(name, title.rstrip("."), text, of_ladder))
    return result


def points(specs: Iterable[type[Step]]) -> list[plots.Point]:
    """The steps that have a committed record, for the plot of accuracy against parameters."""
    recorded = [(step, record.runs(step)) for step in specs]
    return [_point(step, Summary.of(runs)) for step, runs in recorded if runs]


def _point(step: type[Step], summary: Summary) -> plots.Point:
    return plots.Point(step.id, step.parameters, summary.accuracy)


def described(points: Iterable[plots.Point]) -> str:
    """The data of the plot in words: parameters, mean accuracy in percent and its interval, if it has one."""
    return "; ".join(f"{point.step}: {point.parameters:,} parameters, {point.interval:.2f}" for point in points)


def plot(specs: Iterable[type[Step]]) -> str:
    """Accuracy against parameters of the steps that have a record, as an SVG file; HarnessError if none has."""
    measured = points(specs)
    if not measured:
        raise HarnessError("no step has a record to plot; make one with: python -m harness train ID --record")
    return svg.standalone(plots.frontier(measured), "frontier", described(measured))


def frontier(sections: Iterable[Section], name: str, width: float) -> Markup | None:
    """The plot of accuracy against parameters, `width` inches wide; None if nothing was measured."""
    measured = [_point(each.step, each.summary) for each in sections if each.summary and each.summary.complete]
    if not measured:
        return None
    figure = plots.frontier(measured, width=width)
    return svg.inline(figure, f"frontier-{name}", f"accuracy against parameters. {described(measured)}", plots.DARK)


def png(image: Tensor) -> str:
    """A digit, rows x columns of grey levels, as a PNG in base64, dark on light."""
    stream = io.BytesIO()
    software = {"Software": "matplotlib"}  # without its version, with which the page would change
    imsave(stream, image.numpy(), cmap="gray_r", vmin=0, vmax=255, format="png", metadata=software)
    return base64.b64encode(stream.getvalue()).decode()


@functools.cache
def environment() -> Environment:
    """The templates, compiled once, and the filters that they may use; all values are escaped."""
    result = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    result.filters["code"] = with_code
    result.filters["anchor"] = lambda step_id: re.sub(r"\W+", "-", step_id)
    result.filters["along"] = along_strip
    return result


def with_code(text: str) -> Markup:
    """Prose, escaped, with text between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def along_strip(accuracy: float) -> str:
    """The position of an accuracy in percent on the strip in the table of all steps, from 0 to 100."""
    low, here, high = (float(plots.height(value)) for value in (STRIP[0], accuracy, STRIP[1]))
    return f"{100 * min(max((here - low) / (high - low), 0), 1):.1f}"
