"""The report in a real browser: it is quiet, keeps to itself, fits a phone, sorts, and can be read by everybody."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import report, steps
from harness.data.synthetic import synthetic
from spec.harness.report.shown import a_step, record_of, run_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]
PHONE, DESK = 390, 1280  # widths of windows, in CSS pixels
LONG = "an_identifier_without_a_single_place_to_break_" * 4
# The window's own scroll bar is no element, and a link for keyboards waits outside until it has the focus.
TOO_WIDE = """() => [...document.querySelectorAll("body *:not(.skip)")]
    .filter((element) => element.checkVisibility())
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 60)}`)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with every kind of step: measured often, once, shortened, not at all, and unbreakable."""
    folder = tmp_path_factory.mktemp("report")
    errors = [(index, index % 10, (index + 1) % 10) for index in range(30)]
    kinds = {
        "mine/often": [run_of(seed, [98.0, 99.0, 99.3, 99.4, 99.4 + seed / 50, 99.5], errors) for seed in range(5)],
        "mine/once": [run_of(0, [97.0, 98.0, 99.0, 99.1, 99.2, 99.2])],
        "mine/short": [run_of(0, [97.0, 98.0])],
    }
    analysis = f"- It says `{LONG}`. [judgement: {LONG}]\n    - It over-fits. [claim: on average over-fits]"
    made = [a_step(folder, step_id, analysis) for step_id in (*kinds, "mine/never")]
    records = {step.id: record_of(step, *kinds[step.id], note=LONG) for step in made if step.id in kinds}
    images = synthetic(10_000).test_images  # a committed record names missed digits by their index in MNIST
    file = folder / "report.html"
    file.write_text(report.html([steps()["frontier/step6"], *made], images, records), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report that people open: of all steps, as they are recorded."""
    file = tmp_path_factory.mktemp("whole") / "report.html"
    file.write_text(report.html(steps().values(), synthetic(10_000).test_images), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module", params=[(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """The report, opened on a phone and at a desk, in light and in dark."""
    page = opened(browser, address, *request.param)
    yield page
    page.close()


def opened(browser: Any, address: str, width: int, scheme: str) -> Any:
    """A page in a window of that width; its `heard` is what it said and asked for."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.heard = []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith("data:") or page.heard.append(asked.url))
    page.goto(address)
    return page


def test_it_says_nothing_and_asks_for_nothing(page: Any, address: str) -> None:
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    assert page.heard == [address]


def test_nothing_is_wider_than_the_window(page: Any) -> None:
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_element_that_is_too_wide_is_found(page: Any) -> None:
    page.evaluate("document.querySelector('h1').style.width = '9999px'")
    assert page.evaluate(TOO_WIDE) == ["H1 Ladders of small networks on MNIST"]
    page.evaluate("document.querySelector('h1').style.width = ''")


def violations(page: Any, *passing: str, context: Any = None, **options: Any) -> list[str]:
    """What axe-core finds, having looked at the rules that are named among the rest."""
    found = axe.Axe().run(page, context=context, options={"resultTypes": ["violations"], **options}).response
    assert set(passing) <= {one["id"] for one in found["passes"]}
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]


STRUCTURE = ("heading-order", "page-has-heading-one", "svg-img-alt")


# Contrast differs with the colours and the order of headings with the width: two of the four see all there is.
@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_contrast_headings_and_all_else_pass_axe(browser: Any, address: str, width: int, scheme: str) -> None:
    page = opened(browser, address, width, scheme)
    assert violations(page, "color-contrast", *STRUCTURE) == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_the_report_of_all_steps_is_quiet_fits_and_passes_axe(
    browser: Any, whole: str, width: int, scheme: str
) -> None:
    page = opened(browser, whole, width, scheme)
    page.wait_for_load_state("networkidle")
    assert page.heard == [whole]
    assert page.evaluate(TOO_WIDE) == []
    # The contrast of each word takes a minute, and sections of steps have what those of the page above have.
    assert violations(page, *STRUCTURE, rules={"color-contrast": {"enabled": False}}) == []
    overview = {"exclude": [["section.ladder"]]}
    assert violations(page, "color-contrast", context=overview, runOnly=["color-contrast"]) == []
    page.close()


def test_dark_is_dark_and_paper_is_light(page: Any) -> None:
    lightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (page.evaluate(lightness) < 128) == dark
    ink = "getComputedStyle(document.querySelector('.plot text')).fill.match(/\\d+/)[0]"
    assert (int(page.evaluate(ink)) > 128) == dark
    page.emulate_media(media="print")
    assert page.evaluate(lightness) == 255
    page.emulate_media(media="screen")


def column(page: Any, number: int) -> list[str]:
    """The cells of a column of the table of all steps, from top to bottom."""
    rows = "[...document.querySelectorAll('[data-sortable] tbody tr')]"
    return list(page.evaluate(f"{rows}.map((row) => row.cells[{number}].lastChild?.textContent ?? '')"))


def test_the_table_of_steps_sorts_by_a_click_and_by_a_key(page: Any) -> None:
    heading = page.locator("[data-sortable] thead th", has_text="parameters")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, 1) == ["7", "7", "7", "7", "6,982"]
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, 1) == ["6,982", "7", "7", "7", "7"]


def test_what_was_not_measured_comes_last_in_both_directions(page: Any) -> None:
    heading = page.locator("[data-sortable] thead th", has_text="held")
    for sign in (1, -1):
        heading.get_by_role("button").click()
        *held, first, second = column(page, 7)
        shares = [int(cell.split()[0]) / int(cell.split()[-1]) for cell in held]
        assert shares == sorted(shares, key=lambda share: sign * share)
        assert len(set(shares)) > 1
        assert {first, second} == {"", "no verdict"}


def test_every_link_leads_somewhere(page: Any) -> None:
    gone = "[...document.querySelectorAll('a')].filter((link) => !document.querySelector(link.hash)).map(String)"
    assert page.evaluate(gone) == []


def test_an_empty_image_stands_in_for_mnist(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "bare.html"
    file.write_text(report.html([a_step(tmp_path)], None), encoding="utf-8")
    page = browser.new_page(viewport={"width": PHONE, "height": 800})
    page.goto(file.as_uri())
    assert page.get_by_text("MNIST was not at hand").is_visible()
    assert page.evaluate(TOO_WIDE) == []
    page.close()
