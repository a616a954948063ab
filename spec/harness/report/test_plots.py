"""What is drawn is where the numbers are: positions, marks and labels of the plots, worked out by hand."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.evidence.statistics import Interval
from harness.report import plots, svg
from harness.report.page import STRIP, along_strip, plot
from spec.harness.evidence.records_of import step_with


def sides(patch: Any) -> tuple[float, float]:
    """Where a shaded rectangle begins and ends."""
    (left, _), (right, _) = patch.get_extents().transformed(patch.axes.transData.inverted()).get_points()
    return left, right


def points(*accuracies: float, size: int = 1000) -> list[plots.Point]:
    """Steps of ever more parameters, with an interval of 0.2 points."""
    return [
        plots.Point(f"a/{n}", n * size, Interval(mean, mean - 0.1, mean + 0.1)) for n, mean in enumerate(accuracies, 1)
    ]


def lines(axes: Axes) -> list[Any]:
    """The lines of an axes, marks among them."""
    return list(axes.lines)


def texts(axes: Axes) -> list[str]:
    """The labels of an axes."""
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("epochs", "final", "ticks"),
    [
        *[(3, 1, [1]), (12, 3, [1, 5, 10]), (20, 5, [1, 5, 10, 15, 20])],
        (120, 3, [1, 15, 30, 45, 60, 75, 90, 105, 120]),
        (5000, 3, [1, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000]),
    ],
)
def test_the_final_epochs_are_shaded_and_no_other(epochs: int, final: int, ticks: list[int]) -> None:
    for figure in (
        plots.curves([[99.0] * epochs], [[98.0] * epochs], final, None),
        plots.losses([[0.1] * epochs], final, None),
    ):
        [axes] = figure.axes
        assert sides(axes.patches[0]) == pytest.approx((epochs - final + 0.5, epochs + 0.5))
        assert axes.get_xlim() == (0.5, epochs + 0.5)
        assert list(axes.get_xticks()) == ticks


def test_the_axis_of_a_curve_spans_its_later_two_thirds_and_the_goal() -> None:
    [axes] = plots.curves([[10.0, 98.0, 99.9]], [[10.0, 96.5, 98.0]], 1, [10.0, 95.5, 98.0]).axes
    assert axes.get_ylim() == pytest.approx((95.5, 99.9))
    [axes] = plots.curves([[10.0, 98.0, 98.0]], [[10.0, 98.0, 98.0]], 1, None).axes
    assert axes.get_ylim() == pytest.approx((97.0, 99.6))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["97", "98", "98.5", "99", "99.2", "99.4", "99.6"]
    [axes] = plots.curves([[100.0] * 3], [[100.0] * 3], 1, None).axes
    assert axes.get_ylim() == pytest.approx((97.0, plots.MOST))


def test_one_run_has_no_band_and_the_goal_has_a_line() -> None:
    [axes] = plots.curves([[99.0] * 3], [[98.0] * 3], 1, None).axes
    assert list(axes.collections) == []
    assert [99.4, 99.4] in [list(line.get_ydata()) for line in lines(axes)]
    styles = {line.get_label(): line.get_linestyle() for line in lines(axes)}
    assert (styles["train"], styles["test"]) == ("--", "-")


def test_a_point_with_an_interval_is_filled_and_one_run_is_hollow() -> None:
    several, one = points(99.3, 99.5)
    one = plots.Point(one.step, one.parameters, Interval(one.accuracy))
    [axes] = plots.frontier([several, one]).axes
    marks = {line.get_xdata()[0]: line.get_markerfacecolor() for line in lines(axes) if line.get_marker() == "o"}
    assert marks == {several.parameters: plots.LADDERS[0], one.parameters: "none"}
    intervals = [line.get_ydata() for line in lines(axes) if list(line.get_xdata()) == [several.parameters] * 2]
    assert [list(each) for each in intervals] == [pytest.approx([99.2, 99.4])]
    assert not [line for line in lines(axes) if list(line.get_xdata()) == [one.parameters] * 2]


def test_the_frontier_is_drawn_in_steps_on_to_the_right() -> None:
    [axes] = plots.frontier(points(99.3, 99.1, 99.5)).axes
    [line] = [line for line in lines(axes) if line.get_drawstyle() == "steps-post"]
    assert list(line.get_xdata()) == [1000, 3000, 1e9]
    assert list(line.get_ydata()) == [99.3, 99.5, 99.5]


@pytest.mark.parametrize(("accuracy", "named"), [(97.0, False), (96.9, True)])
def test_a_step_is_named_at_the_bottom_if_it_is_below_it(accuracy: float, named: bool) -> None:
    [axes] = plots.frontier(points(accuracy, 99.3)).axes
    assert ("a/1: 96.9 %" in texts(axes)) is named
    assert axes.get_ylim()[0] == plots.FLOOR


def test_accuracies_begin_a_tenth_below_the_lowest_interval_but_not_above_99() -> None:
    [axes] = plots.frontier(points(98.5, 99.3)).axes
    assert axes.get_ylim() == pytest.approx((98.3, 99.6))
    [axes] = plots.frontier(points(99.5, 99.7)).axes
    assert axes.get_ylim() == pytest.approx((99.0, 99.75))


def test_large_networks_have_a_panel_of_their_own_beside_small_ones() -> None:
    small, large = points(99.3, 99.5, size=plots.LIGHT)
    left, right = plots.frontier([small, large]).axes
    assert left.get_xlim()[1] < large.parameters <= right.get_xlim()[1]
    assert list(right.get_xticks()) == [large.parameters]  # there is no power of ten nearby, and no room for more
    assert right.get_ylabel() == ""
    assert not right.spines["left"].get_visible()
    [alone] = plots.frontier([large]).axes
    assert alone.get_ylabel() == "accuracy, %"


def test_labels_of_sizes_do_not_overlap_and_marks_have_room() -> None:
    for sizes in [(1000, 1100), (1000, 9000), (8000, 2_000_000), (1000, 6_400_000_000)]:
        figure = Figure(figsize=(9.0, 4.6))
        axes = figure.add_subplot()
        plots._sizes(axes, sizes)
        low, high = axes.get_xlim()
        assert low <= sizes[0] / 1.1
        assert high >= sizes[1] * 1.1
        named = [size for size in axes.get_xticks() if low <= size <= high]
        assert named
        pixels = axes.transData.transform([(size, 1) for size in named])[:, 0]
        assert all(right - left > plots.NAME for left, right in pairwise(pixels))


def test_the_best_are_labelled_where_there_is_room() -> None:
    crowded = [*points(99.0, 99.5), plots.Point("a/3", 2010, Interval(99.51, 99.5, 99.52))]
    [axes] = plots.frontier(crowded).axes
    assert sorted(texts(axes)) == ["a/1", "a/3"]
    sides = {text.get_text(): text.get_horizontalalignment() for text in axes.texts}
    assert sides == {"a/1": "left", "a/3": "right"}


def test_every_ladder_has_its_colour_and_mark_in_the_legend() -> None:
    names = [f"{chr(97 + n)}/1" for n in range(9)]
    figure = plots.frontier([plots.Point(name, 1000, Interval(99.0)) for name in names])
    [legend] = figure.legends
    looks = [(line.get_color(), line.get_marker()) for line in legend.get_lines()]
    assert looks[:8] == list(zip(plots.LADDERS, plots.MARKERS, strict=True))
    assert looks[8] == looks[0]
    assert [text.get_text() for text in legend.get_texts()] == [name[0] for name in names]


def test_the_strip_is_as_long_as_its_ends_and_its_scale_that_of_the_error() -> None:
    low, high = STRIP
    assert (along_strip(low), along_strip(high)) == ("0.0", "100.0")
    assert (along_strip(low - 20), along_strip(100.0)) == ("0.0", "100.0")
    middle = 100 - float(np.sqrt((100 - low) * (100 - high)))  # the geometric mean of both errors
    assert along_strip(middle) == "50.0"


def test_a_label_is_escaped_and_on_one_line() -> None:
    drawn = Figure(figsize=(3, 2))
    text = svg.inline(drawn, "one", 'a "quoted" <b>&\nnext\x1b[1m', {})
    assert 'aria-label="a &#34;quoted&#34; &lt;b&gt;&amp; next\\x1b[1m"' in text
    assert 'viewBox="0 0 216 144" width="288" height="192"' in text
    whole = svg.standalone(drawn, "one", "1 < 2\x00\nand 3")
    assert "1 &lt; 2\\x00 and 3" in whole


def test_a_plot_in_a_page_has_no_more_than_it_needs() -> None:
    text = svg.inline(plots.frontier(points(99.3, 99.5)), "one", "label", plots.DARK)
    root = ElementTree.fromstring(text)
    assert all(element.tag == "text" or not (element.text or "").strip() for element in root.iter())
    assert not any((element.tail or "").strip() for element in root.iter())
    assert {"metadata", "style"}.isdisjoint(element.tag for element in root.iter())
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    assert {element.attrib["id"] for element in root.iter() if "id" in element.attrib} == used
    assert used
    assert not re.search(r"\.\d{3}", text)
    assert not re.search(r"\n|xlink|font-family", text)
    assert f"light-dark({plots.INK}, {plots.DARK[plots.INK]})" in text


def test_a_plot_of_its_own_is_white_and_one_in_a_page_has_no_ground() -> None:
    drawn = Figure(figsize=(3, 2))
    assert f"fill: {svg.WHITE}" in svg.standalone(drawn, "one", "")
    assert svg.WHITE not in svg.inline(drawn, "one", "", {})


def test_without_a_record_there_is_nothing_to_plot(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="^no step has a record to plot; make one with: python -m harness train ID"):
        plot([step_with(tmp_path, "mine/tiny")])
