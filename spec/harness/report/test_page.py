"""The report: what is on the page comes from specs and records, is escaped, and needs nothing from elsewhere."""

import base64
import io
import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from harness import Recipe, report, steps
from harness.__main__ import main
from harness.evidence import record
from harness.evidence.confusion import confusion, missed, missed_by_all
from harness.evidence.record import Record
from harness.provenance import fingerprint
from harness.report import plots
from harness.run import run_of_json
from harness.step import Step
from spec.harness.evidence.records_of import keep, publish
from spec.harness.report.shown import a_step, record_of, row_of, run_of, text_of

LADDER = [steps()[f"frontier/{name}"] for name in ("step1", "step2", "step6")]
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7 * 7 }}'


def page_of(step: type[Step], *runs: dict[str, Any], images: torch.Tensor | None = None) -> str:
    """The page of one step and its runs."""
    return report.html([step], images, {step.id: record_of(step, *runs)} if runs else {})


def test_a_native_record_shows_what_all_its_runs_share_and_counts_the_rest() -> None:
    step = LADDER[0]
    made = {"fingerprint": fingerprint(step), "trainer": "native", "numerics": 1}
    machines = ({"hardware": "AMD EPYC", "threads": 1}, {"hardware": "Apple M1", "threads": 1})
    runs = [run_of_json(step, run_of(seed, [99.0]), {**made, **own}) for seed, own in enumerate(machines)]
    text = text_of(report.html([step], None, {step.id: Record(step, made, tuple(runs))}))
    assert f"seeds 0, 1 fingerprint {made['fingerprint']} trainer native numerics 1 hardware 2 kinds threads 1" in text


def test_runs_of_another_network_or_recipe_are_shown_as_such(tmp_path: Path) -> None:
    step, words = a_step(tmp_path), "runs of another network or recipe than the step has now"
    keep(step, {0: ([98.0] * 6, [99.0] * 6)}, fingerprint=fingerprint(step))
    assert words not in report.html([step], None)
    step.recipe = Recipe(lr=0.2, batch_size=64, epochs=6)
    assert report.html([step], None).count(words) == 1
    cuda = keep(step, {0: ([98.0] * 6, [99.0] * 6)}, device="cuda")
    cuda.rename(record.path_of(step, "cuda"))
    keep(step, {0: ([98.0] * 6, [99.0] * 6)}, fingerprint=fingerprint(step))
    [_, on_gpu] = report.html([step], None).split("<h4>On a GPU</h4>")
    assert words in on_gpu


@pytest.fixture(scope="module")
def page() -> str:
    """The page of steps of a real ladder with their committed records, without MNIST."""
    return report.html(LADDER, None)


def test_every_step_has_a_section_a_row_and_a_link(page: str) -> None:
    for step in LADDER:
        anchor = step.id.replace("/", "-")
        assert page.count(f'<h3 id="{anchor}">') == 1
        assert page.count(f'<a href="#{anchor}">') == 2
        assert row_of(page, step.id)[:2] == [f"{step.parameters:,}", str(step.receptive_field)]
        assert " ".join(step.document().target.split()) in text_of(page).replace("&gt;", ">")


@pytest.mark.thorough
def test_every_figure_in_the_table_is_that_of_the_committed_record(page: str) -> None:
    recorded = [step for step in LADDER if record.path_of(step).exists()]
    assert recorded
    for step in recorded:
        kept = json.loads(record.path_of(step).read_text())["runs"]
        final = [[epoch["test_accuracy"] for epoch in run["epochs"][-3:]] for run in kept]
        held = sum(all(accuracy >= 99.4 for accuracy in run) for run in final)
        seconds = statistics.median(epoch["seconds"] for run in kept for epoch in run["epochs"])
        _, _, published, measured, worst, share, pace = row_of(page, step.id)
        assert published == ""
        assert measured.split()[0] == f"{statistics.fmean(map(statistics.fmean, final)):.2f}"
        assert ("[" in measured) == (len(kept) > 1)
        assert (worst, share) == (f"{min(map(min, final)):.2f}", f"{held} of {len(kept)}")
        assert pace == f"{seconds:.1f}"


@pytest.mark.thorough
def test_what_changed_since_the_step_before_is_shown(page: str) -> None:
    assert "+ Conv2d(8, 10, kernel_size=(3, 3), stride=(1, 1), bias=False)" in text_of(page)


def test_the_figures_of_two_seeds_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    page = page_of(
        a_step(tmp_path), run_of(0, [98, 99, 99, 99.4, 99.4, 99.4]), run_of(3, [98, 99, 99, 99.5, 99.5, 99.5])
    )
    # Student's t at 1 degree of freedom is 12.706, the standard error of 99.40 and 99.50 is 0.05, and 100.09 cannot be.
    assert row_of(page, "mine/tiny") == ["7", "28", "", "99.45 [98.81, 100.00]", "99.40", "2 of 2", "1.0"]
    # 2 of 2: the lower bound of Clopper and Pearson is the square root of 0.025.
    assert "held by 2 of 2 [0.16, 1.00]" in text_of(page)
    assert "seeds 0, 3 hardware a processor" in text_of(page)


@pytest.mark.thorough
@pytest.mark.parametrize(("seeds", "shown"), [(4, False), (5, True)])
def test_green_is_for_as_many_seeds_as_show_that_the_goal_is_held(tmp_path: Path, seeds: int, shown: bool) -> None:
    page = page_of(a_step(tmp_path), *(run_of(seed, [99.5] * 6) for seed in range(seeds)))
    assert ('class="holds"' in page) == shown


def test_a_step_without_a_record_says_so(tmp_path: Path) -> None:
    page = page_of(a_step(tmp_path))
    assert row_of(page, "mine/tiny") == ["7", "28", "", "", "", "", "", ""]
    assert "not measured" in page
    assert "Nothing has been measured yet" in page
    assert not re.search(r"\bnan\b|\bNone\b", text_of(page))


def test_one_seed_has_no_interval_and_no_band(tmp_path: Path) -> None:
    page = page_of(a_step(tmp_path), run_of(0, [99.0] * 6))
    assert row_of(page, "mine/tiny")[3] == "99.00"
    assert "One seed." in page
    assert not re.search(r"\bnan\b|\bNone\b", text_of(page))


def test_a_shortened_run_is_no_verdict_and_not_in_the_plot(tmp_path: Path) -> None:
    page = page_of(a_step(tmp_path), run_of(0, [99.5, 99.5, 99.5]))
    assert row_of(page, "mine/tiny")[5] == "no verdict"
    assert "Shortened: 3 of the 6 epochs" in page
    assert "Nothing has been measured yet" in page


def test_claims_are_shown_with_their_verdict_and_evidence(tmp_path: Path) -> None:
    step = a_step(tmp_path, analysis="- It over-fits. [claim: on average over-fits] It is pretty. [judgement: taste]")
    keep(step, {seed: ([99.8] * 6, [99.2 + seed / 100] * 6) for seed in range(3)})
    text = text_of(report.html([step], None))
    found = "on average over-fits: 0.59 [0.565, 0.615] points, n = 3 of 10 planned"
    assert f"It over-fits. supported ✓ {found} It is pretty. judgement" in text
    assert "supported 1 refuted 0 undecided 0 fact 0 no fact 0 next step 0 judgement 1" in text


@pytest.mark.thorough
def test_our_notes_are_shown_and_not_counted_among_the_sentences(tmp_path: Path) -> None:
    notes = "- It is small. [judgement: taste]\n\nNotes:\n    - It over-fits. [claim: on average over-fits]"
    step = a_step(tmp_path, analysis=notes)
    keep(step, {seed: ([99.8] * 6, [99.2 + seed / 100] * 6) for seed in range(3)})
    text = text_of(report.html([step], None))
    assert (
        "Notes It over-fits. supported ✓ on average over-fits: 0.59 [0.565, 0.615] points, n = 3 of 10 planned" in text
    )
    assert "supported 0 refuted 0 undecided 0 fact 0 no fact 0 next step 0 judgement 1" in text


def test_hostile_text_is_shown_and_not_run(tmp_path: Path) -> None:
    step = a_step(tmp_path, analysis=f"- It says {HOSTILE} and `{HOSTILE}`. [judgement: {HOSTILE}]")
    step.title = step.ladder = HOSTILE
    page = report.html([step], None, {step.id: record_of(step, run_of(0, [99.0] * 6), hardware=HOSTILE)})
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "49" not in re.findall(r"It says (.*?) and", page)[0]
    assert (
        page.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&gt;&lt;img src=x onerror=alert(2)&gt;{{ 7 * 7 }}") >= 5
    )


def test_the_page_refers_to_nothing_but_itself(page: str) -> None:
    targets = re.findall(r"""(?:href|src|action|srcset)=["']?([^"'\s>]*)|url\(([^)]*)\)""", page)
    assert targets
    assert {(one or other)[:5].partition("#")[1] or (one or other)[:5] for one, other in targets} <= {"#", "data:"}
    assert not re.search(r"https?://|@import|<link(?! rel=\"icon\" href=\"data:,\")", page)


def test_ids_are_unique_and_every_reference_has_its_target(page: str) -> None:
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)) != set()
    for one, other in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page):
        assert (one or other) in ids


@pytest.mark.thorough
def test_the_same_specs_and_records_give_the_same_page(page: str) -> None:
    assert report.html(LADDER, None) == page


def test_confusion_and_missed_digits_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    runs = record_of(
        a_step(tmp_path),
        run_of(0, [99.0], [(5, 4, 9), (7, 2, 7), (8, 4, 9)]),
        run_of(1, [99.0], [(5, 4, 8), (9, 1, 7)]),
        run_of(2, [99.0]),  # an old run, which names no errors
    ).runs
    found = confusion(runs)
    assert found is not None
    assert (found.runs, found.largest) == (2, 1.0)
    assert [found.counts[4][digit] for digit in (4, 8, 9)] == [982 - 1.5, 0.5, 1.0]
    assert [found.counts[digit][digit] for digit in (0, 1, 2)] == [980, 1134.5, 1031.5]
    assert found.missed(4) == pytest.approx(100 * 1.5 / 982)
    assert [(one.index, one.digit, one.predicted, one.runs) for one in missed_by_all(runs)] == [(5, 4, 8, 2)]
    assert [one.index for one in missed(runs)] == [5, 7, 8, 9]
    assert confusion(runs[2:]) is None


@pytest.mark.thorough
def test_missed_digits_are_drawn_where_mnist_is_at_hand(tmp_path: Path) -> None:
    images = torch.arange(6 * 28 * 28).reshape(6, 28, 28).mul(37).remainder(256).to(torch.uint8)
    run = run_of(0, [99.0] * 6, [(5, 4, 9)])
    page = page_of(a_step(tmp_path), run, images=images)
    [drawn] = re.findall(r'<image id="image-5" [^>]*href="data:image/png;base64,([^"]*)"', page)
    decoded = imread(io.BytesIO(base64.b64decode(drawn)))  # rows x columns x red, green, blue, opacity; 0 to 1
    # The colour map has 256 levels of grey, and rounds where it turns one into eight bits.
    assert np.abs(255 * (1 - decoded[:, :, 0]) - images[5].numpy()).max() <= 1
    assert page.count('<use href="#image-5"/>') == 2
    bare = page_of(a_step(tmp_path), run)
    assert "#image-5" not in bare
    assert "4 → 9 #5" in text_of(bare)


def test_the_verb_writes_the_page_of_all_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def html(specs: Sequence[type[Step]], images: object) -> str:
        asked.extend(step.id for step in specs)
        return "the page"

    monkeypatch.setattr(report, "html", html)
    assert main(["report", "-o", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text() == "the page"
    assert capsys.readouterr().out == f"{tmp_path / 'r.html'}\n"
    assert asked == list(steps())


def test_a_file_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "html", lambda specs, images: "")
    assert main(["report", "-o", str(tmp_path)]) == 2
    assert re.fullmatch(rf".*report: error: cannot write {tmp_path}: it is not a file; .*\n", capsys.readouterr().err)


def test_what_was_published_is_beside_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = a_step(tmp_path)
    step.__doc__ = str(step.__doc__).replace("    y\n", "    Published: best test 99.35\n")
    keep(step, {seed: ([99.8] * 6, [99.2] * 6) for seed in range(2)}, losses=[0.9, 0.08, 0.04, 0.06, 0.03, 0.02])
    publish(step, [98.0] * 6, [97.0, 98.0, 98.5, 98.6, 98.7, 98.8])
    drawn: dict[str, list[float]] = {}

    def spy(name: str) -> None:
        real = getattr(plots, name)

        def draw(*words: Any) -> Any:
            drawn[name] = list(words[-1])
            return real(*words)

        monkeypatch.setattr(plots, name, draw)

    spy("curves")
    spy("losses")
    page = report.html([step], None)
    assert row_of(page, "mine/tiny")[2] == "99.35"
    assert "Dotted: the published run." in page
    assert "runs 2" in text_of(page)
    assert drawn == {
        "curves": [97.0, 98.0, 98.5, 98.6, 98.7, 98.8],
        "losses": [1.0, 0.5, 0.3333, 0.25, 0.2, 0.1667],
    }
