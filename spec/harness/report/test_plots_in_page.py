"""The plots of the report: what they show, in which colours, and that they are the same twice."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from harness import report, steps
from harness.__main__ import main
from harness.evidence.statistics import Interval
from harness.report import page as report_page
from harness.report import plots, svg
from spec.harness.evidence.records_of import keep
from spec.harness.report.shown import a_step
from spec.harness.support.paths import ROOT


def test_every_colour_of_a_plot_has_a_dark_one() -> None:
    page = svg.inline(plots.curves([[98.0, 99.0]] * 2, [[97.0, 98.0]] * 2, 1, [98.5, 99.1]), "x", "x", plots.DARK)
    both = re.findall(r"light-dark\((#\w+), (#\w+)\)", page)
    assert len(set(both)) >= 4
    assert all(light != dark for light, dark in both)
    assert not re.findall(r"(?<!\()(?<!, )#[0-9a-f]{6}\b", page)


def contrast(one: str, other: str) -> float:
    """The ratio of contrast of two colours #rrggbb (Web Content Accessibility Guidelines 2.2, 1.4.3)."""
    lit = []
    for colour in (one, other):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lit.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return max(lit) / min(lit)


def test_text_and_marks_of_plots_stand_out_in_both_colours() -> None:
    style = (ROOT / "harness" / "report" / "templates" / "report.css").read_text()
    [(light, dark)] = re.findall(r"--page: light-dark\((#\w+), (#\w+)\)", style)
    for colour in (plots.INK, plots.MUTED, *plots.LADDERS):
        assert contrast(colour, light) >= 4.5
        assert contrast(plots.DARK[colour], dark) >= 4.5


def test_half_the_errors_is_one_step_up() -> None:
    up = [float(plots.height(accuracy)) for accuracy in (96.0, 98.0, 99.0, 99.5)]
    assert [b - a for a, b in pairwise(up)] == pytest.approx([0.30103] * 3, abs=1e-5)
    assert float(plots.height(100.0)) == float(plots.height(plots.MOST))


def test_the_frontier_is_what_no_smaller_network_matches() -> None:
    sizes = {
        "a/1": (100, 98.0),
        "a/2": (200, 99.0),
        "b/1": (150, 97.0),
        "b/2": (300, 99.0),
        "b/3": (100, 97.5),
        "c/1": (400, 99.5),
    }
    points = [plots.Point(name, size, Interval(accuracy)) for name, (size, accuracy) in sizes.items()]
    assert [point.step for point in plots.best_so_far(points)] == ["a/1", "a/2", "c/1"]


def test_a_step_of_which_some_runs_never_learn_does_not_press_the_others_together() -> None:
    learned = plots.Point("a/1", 100, Interval(99.3, 99.2, 99.4))
    figure = plots.frontier([learned, plots.Point("a/2", 200, Interval(69.06, 0.0, 100.0))])
    [axes] = figure.axes
    assert axes.get_ylim()[0] == 97.0
    assert "a/2: 69.1 %" in [text.get_text() for text in axes.texts]
    assert [99.2, 99.4] in [list(line.get_ydata()) for line in axes.lines]  # type: ignore[arg-type]
    assert [0.0, 100.0] not in [list(line.get_ydata()) for line in axes.lines]  # type: ignore[arg-type]


def test_a_curve_is_the_mean_and_its_band_reaches_from_the_lowest_to_the_highest() -> None:
    figure = plots.curves([[98.0, 99.0, 99.4], [98.4, 99.2]], [[97.0, 98.0, 98.2], [97.2, 98.4]], 1, None)
    [axes] = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}  # type: ignore[arg-type]
    assert lines["test"] == pytest.approx([98.2, 99.1, 99.4])
    assert lines["train"] == pytest.approx([97.1, 98.2, 98.2])
    low, high = axes.collections[1].get_paths()[0].get_extents().get_points()
    assert (low[1], high[1]) == pytest.approx((98.0, 99.4))


def test_the_published_run_is_drawn_behind_ours() -> None:
    published = [97.5, 98.5, 99.3]
    for figure in (
        plots.curves([[98.0, 99.0, 99.4]] * 2, [[97.0, 98.0, 98.2]] * 2, 1, published),
        plots.losses([[0.08, 0.04, 0.02]] * 2, 1, published),
    ):
        [axes] = figure.axes
        lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}  # type: ignore[arg-type]
        assert lines["published test"] == published


@pytest.mark.thorough
def test_test_losses_are_drawn_where_they_were_recorded(tmp_path: Path) -> None:
    step = a_step(tmp_path)
    runs = {seed: ([99.8] * 6, [99.2] * 6) for seed in range(3)}
    keep(step, runs)
    assert "test loss by epoch" not in report.html([step], None)
    keep(step, runs, losses=[0.9, 0.08, 0.04, 0.06, 0.03, 0.02])
    assert "test loss by epoch, 3 runs" in report.html([step], None)


@pytest.mark.thorough
def test_the_plot_is_written_the_same_twice_and_says_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for name in ("one.svg", "two.svg"):
        assert main(["report", "--plot", str(tmp_path / name)]) == 0
        texts.append((tmp_path / name).read_text())
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "one.svg"), str(tmp_path / "two.svg")]
    assert texts[0] == texts[1]
    assert not re.search(r"<dc:date>|20\d\d-\d\d-\d\d", texts[0])
    assert "frontier/step6: 6,982 parameters, 99." in texts[0]


def test_the_committed_plot_is_that_of_the_records() -> None:
    shown = (ROOT / "docs" / "frontier.svg").read_text()
    if report_page.described(report_page.points(steps().values())) not in shown:
        anew = "make it anew with: python -m harness report --plot docs/frontier.svg"
        pytest.fail(f"docs/frontier.svg is not what the records say; {anew}", pytrace=False)
