"""Figures of matplotlib as SVG: files, or parts of a page that has a light and a dark version."""

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from harness.escape import printable

WHITE = "#ffffff"


def standalone(figure: Figure, name: str, description: str) -> str:
    """An SVG file on a white background; the same figure, name and description always give the same bytes.

    `description` goes into the metadata, for those who do not see the figure and for tests that compare it with data.
    """
    return _saved(figure, name, {"Description": printable(description)}, facecolor=WHITE)


def inline(figure: Figure, name: str, label: str, dark: Mapping[str, str]) -> Markup:
    """The figure as an element of an HTML page: transparent, in the page's font, with light and dark colours.

    Args:
        figure: drawn in the colours of a light page.
        name: unique on the page; the ids within the figure are derived from it.
        label: what the figure shows, for screen readers.
        dark: the colour "#rrggbb" on a dark page for each on a light one; any other colour stays.

    """
    text = _saved(figure, name, {}, transparent=True)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r" font-family: [^;\"]*;?", "", text)
    text = re.sub(r"(\.\d\d)\d+", r"\1", text)  # a hundredth of a point is finer than any screen
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: _in_both(found[0], dark), text)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    width, height = figure.get_size_inches() * 72
    opening = (
        f'<svg class="plot" role="img" aria-label="{escape(printable(label))}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}">'
    )
    text = re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1)
    # Without the namespaces, which HTML does not need, no address of the web is left in the page.
    return Markup(re.sub(r"\s*\n\s*", " ", text.replace("xlink:href", "href")).strip())


def _saved(figure: Figure, name: str, metadata: dict[str, str], **options: Any) -> str:
    """The SVG of matplotlib, without a date and with ids derived from the name instead of random ones."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, **metadata}, **options)
    return stream.getvalue()


def _in_both(colour: str, dark: Mapping[str, str]) -> str:
    return f"light-dark({colour}, {dark[colour]})" if colour in dark else colour
