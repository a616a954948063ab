"""The plots of the report: learning curves, receptive fields, and accuracy against parameters.

They are drawn in the light colour of each pair below; `harness.report.svg.inline` adds the dark one for a dark page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FormatStrFormatter, LogLocator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from harness.evidence.statistics import Interval
from harness.receptive_field.drawing import picture
from harness.step import GOAL

INK, MUTED, RULE, TEST, REACHED = "#1f2328", "#59636e", "#d1d9e0", "#0a5fb4", "#a04000"
# Apart in lightness too, for print and for colour-blind readers; with a shape each, for both.
LADDERS = ("#0a5fb4", "#a04000", "#117a52", "#8a3ffc", "#7a6200", "#b02a6b", "#00767a", "#4a4f57")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
LIT = ("#6cb6ff", "#f69d50", "#57d39b", "#c4a5ff", "#e3c34a", "#ff8fc0", "#5fd4d8", "#b6bec9")
DARK = {INK: "#e6edf3", MUTED: "#9da7b3", RULE: "#3d444d", **dict(zip(LADDERS, LIT, strict=True))}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
ACCURACIES = (50, 80, 90, 95, 97, 98, 98.5, 99, 99.2, GOAL, 99.6, 99.8, 99.9)  # possible ticks, in percent
MOST = 99.99  # percent; on a logarithmic scale of the error, 100 is infinitely far
FLOOR = 97.0  # percent; a step below it, such as one with runs that never learn, is named at the bottom instead
DIGITS = (
    (1, 1.2, 1.5, 2, 4, 6, 7, 8),
    (1, 1.5, 2, 3, 4, 6),
    (1, 2, 4),
    (1,),
)  # possible ticks per decade
NAME = 40  # pixels, at 100 per inch: the width of a size's label
LIGHT = 20_000  # parameters; larger networks get a panel of their own, or the others would share a corner


@dataclass(frozen=True)
class Point:
    """A step in the plot of accuracy against parameters, with the mean accuracy of its runs in percent."""

    step: str
    parameters: int
    interval: Interval

    @property
    def accuracy(self) -> float:
        """The mean of the runs."""
        return self.interval.estimate

    @property
    def alone(self) -> bool:
        """Whether it is a single run."""
        return math.isnan(self.interval.low)

    @property
    def ladder(self) -> str:
        """The ladder of the step."""
        return self.step.partition("/")[0]


def height(accuracy: ArrayLike) -> NDArray[np.float64]:
    """The height of an accuracy in percent on a logarithmic scale of the error: half the errors, one step up."""
    error: NDArray[np.float64] = 100 - np.minimum(np.asarray(accuracy, dtype=np.float64), MOST)
    return -np.log10(error)


def curves(
    test: Sequence[Sequence[float]],
    train: Sequence[Sequence[float]],
    final_epochs: int,
    published: Sequence[float] | None,
) -> Figure:
    """Accuracy in percent by epoch: the mean over runs and, for several, the band from the lowest to the highest.

    Args:
        test: one sequence per run, of the accuracies after each epoch; runs may differ in length.
        train: the same in training.
        final_epochs: how many epochs at the end count; they are shaded.
        published: the test accuracies of the published run, or None.

    """
    with mpl.rc_context(STYLE):
        figure, axes = _by_epoch(max(map(len, test)), final_epochs, 3.2)
        axes.axhline(GOAL, color=REACHED, linewidth=1.2)
        _band(axes, train, MUTED, "train", dashed=True)
        _band(axes, test, TEST, "test", dashed=False)
        shown = [*test, *train, *([published] if published else [])]
        late = [accuracy for run in shown for accuracy in run[len(run) // 3 :]]
        _scale(axes, min(97.0, *late), max(99.6, *late))
        _published(axes, published)
        axes.legend(loc="lower right")
        return figure


def losses(test: Sequence[Sequence[float]], final_epochs: int, published: Sequence[float] | None) -> Figure:
    """Test loss by epoch, drawn as `curves` draws accuracies."""
    with mpl.rc_context(STYLE):
        figure, axes = _by_epoch(max(map(len, test)), final_epochs, 2.0)
        _band(axes, test, TEST, "test", dashed=False)
        _published(axes, published)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.minorticks_off()
        axes.yaxis.grid(visible=True)
        axes.set_ylabel("test loss")
        return figure


def _by_epoch(epochs: int, final_epochs: int, height: float) -> tuple[Figure, Axes]:
    """Empty axes over the epochs, with the final ones shaded; `height` is in inches."""
    figure = Figure(figsize=(4.6, height), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(epochs - final_epochs + 0.5, epochs + 0.5, color=RULE, alpha=0.45, linewidth=0)
    axes.set_xlim(0.5, epochs + 0.5)
    every = 5 * math.ceil(epochs / 50)  # more than ten labels would lie upon each other
    axes.set_xticks([1, *range(every, epochs + 1, every)])
    axes.set_xlabel("epoch")
    return figure, axes


def _published(axes: Axes, figures: Sequence[float] | None) -> None:
    """The figures of the published run, if there are any."""
    if figures:
        axes.plot(range(1, len(figures) + 1), figures, color=MUTED, linewidth=1, linestyle=":", label="published test")


def _band(axes: Axes, runs: Sequence[Sequence[float]], colour: str, name: str, *, dashed: bool) -> None:
    """The mean of all runs that have an epoch, and their range."""
    columns = [[run[i] for run in runs if i < len(run)] for i in range(max(map(len, runs)))]
    epochs = range(1, len(columns) + 1)
    if len(runs) > 1:
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.22, linewidth=0)
    mean = [sum(column) / len(column) for column in columns]
    axes.plot(epochs, mean, color=colour, linewidth=1.6, linestyle="--" if dashed else "-", label=name)


def _scale(axes: Axes, low: float, high: float) -> None:
    """Put the accuracies from low to high on a logarithmic scale of the error."""
    axes.set_yscale("function", functions=(height, lambda drawn: 100 - 10.0**-drawn))
    axes.set_ylim(low, min(high, MOST))
    named = [accuracy for accuracy in ACCURACIES if low <= accuracy <= high]
    axes.set_yticks(named, [f"{accuracy:g}" if accuracy != GOAL else f"{GOAL:.1f}" for accuracy in named])
    axes.yaxis.grid(visible=True)
    axes.set_ylabel("accuracy, %")


def field(model: nn.Module, image: Tensor) -> tuple[Figure, dict[str, str]]:
    """The receptive field of each layer on a 28 x 28 image, and the dark colour for each of its light ones."""
    with mpl.rc_context(STYLE | {"axes.spines.top": True, "axes.spines.right": True, "legend.fontsize": 8}):
        figure = picture(model, image)
    figure.set_size_inches(4.6, 3.2)
    [axes] = figure.axes
    axes.set_anchor("W")
    if legend := axes.get_legend():
        legend.set_title("")
    axes.images[0].set_interpolation("none")  # the pixels as they are: the browser enlarges them
    colours = list(dict.fromkeys(to_hex(patch.get_edgecolor()) for patch in axes.patches))
    brighter = mpl.colormaps["viridis"](np.linspace(0.35, 1, len(colours)))
    return figure, DARK | {light: to_hex(dark) for light, dark in zip(colours, brighter, strict=True)}


def frontier(points: Sequence[Point], *, width: float = 9.0) -> Figure:
    """Accuracy against parameters of all points, and the frontier that no smaller network matches.

    A point is filled if it has an interval, and hollow if it is one run. `width` is in inches of 72 points.
    """
    ladders = list(dict.fromkeys(point.ladder for point in points))
    parts = [part for part in _parts(points) if part]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, 4.6), layout="constrained")
        widths = [3, 1][: len(parts)]
        panels = figure.subplots(1, len(parts), sharey=True, squeeze=False, width_ratios=widths)[0]
        for axes, shown in zip(panels, parts, strict=True):
            _panel(axes, points, shown, ladders)
        for axes in panels[1:]:
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.set_ylabel("")
        panels[0].set_xlabel("parameters, logarithmic", loc="left")
        handles = [_marker(ladders.index(ladder), ladder) for ladder in ladders]
        figure.legend(handles=handles, loc="outside lower center", ncols=max(2, min(6, round(width / 1.5))))
        return figure


def best_so_far(points: Sequence[Point]) -> list[Point]:
    """The points that no smaller network matches, in order of size: the frontier."""
    chosen: list[Point] = []
    for point in sorted(points, key=lambda point: (point.parameters, -point.accuracy)):
        if not chosen or point.accuracy > chosen[-1].accuracy:
            chosen.append(point)
    return chosen


def _parts(points: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    light = [point for point in points if point.parameters <= LIGHT]
    return light, [point for point in points if point.parameters > LIGHT]


def _panel(axes: Axes, points: Sequence[Point], shown: Sequence[Point], ladders: list[str]) -> None:
    """One range of sizes, with the points in it."""
    axes.axhline(GOAL, color=REACHED, linewidth=1.2)
    best = best_so_far(points)
    sizes, accuracies = [point.parameters for point in best], [point.accuracy for point in best]
    axes.plot([*sizes, 1e9], [*accuracies, accuracies[-1]], drawstyle="steps-post", color=MUTED, linewidth=1)
    for point in shown:
        colour, marker = _look(ladders.index(point.ladder))
        if not point.alone and point.accuracy >= FLOOR:
            axes.plot([point.parameters] * 2, point.interval[1:], color=colour, linewidth=1.2, alpha=0.7)
        face = "none" if point.alone else colour
        axes.plot(point.parameters, point.accuracy, marker, color=colour, markerfacecolor=face, markersize=6)
        if point.accuracy < FLOOR:
            label = f"{point.step}: {point.accuracy:.1f} %"
            axes.annotate(
                label, (point.parameters, FLOOR), (0, 14), textcoords="offset points", ha="center", color=colour,
                fontsize=8, arrowprops={"arrowstyle": "->", "color": colour},
            )  # fmt: skip
    lowest = min(point.accuracy if point.alone else point.interval.low for point in points)
    _scale(axes, max(FLOOR, min(99.0, lowest - 0.1)), max(99.6, *(point.accuracy + 0.05 for point in points)))
    _sizes(axes, sorted(point.parameters for point in shown))
    _label(axes, [point for point in best if point in shown])


def _sizes(axes: Axes, sizes: Sequence[int]) -> None:
    """A logarithmic scale from the smallest to the largest, with as many labels as do not overlap."""
    margin = max(1.15, (sizes[-1] / sizes[0]) ** 0.05)  # room for a marker, however wide the range
    low, high = sizes[0] / margin, sizes[-1] * margin
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.minorticks_off()
    for digits in DIGITS:
        axes.xaxis.set_major_locator(LogLocator(subs=digits))
        named = [size for size in axes.get_xticks() if low <= size <= high]
        if all(np.diff([axes.transData.transform((size, 1))[0] for size in named]) > NAME):
            break
    if not named:  # no power of ten lies between sizes that are much alike
        axes.set_xticks(sizes[:1])
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.grid(visible=True)


def _label(axes: Axes, best: Sequence[Point]) -> None:
    """Label the points, from the most accurate down, where a label does not overlap one that is placed already."""
    placed: list[tuple[float, float]] = []
    share = 140 / axes.bbox.width  # of the width: a label of 140 pixels, at 100 per inch
    for point in reversed(best):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((point.parameters, point.accuracy)))
        if all(abs(x - other_x) > share or abs(y - other_y) > 0.05 for other_x, other_y in placed):
            placed.append((x, y))
            side = "right" if x > 0.5 else "left"
            axes.annotate(
                point.step, (point.parameters, point.accuracy), (0, 6), textcoords="offset points", ha=side, fontsize=8
            )


def _look(place: int) -> tuple[str, str]:
    return LADDERS[place % len(LADDERS)], MARKERS[place % len(MARKERS)]


def _marker(place: int, name: str) -> Line2D:
    colour, marker = _look(place)
    return Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6, label=name)
