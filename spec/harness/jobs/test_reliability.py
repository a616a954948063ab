"""docs/reliability.md estimates what many runs cost from the seconds of the committed ones; the record is read here."""

import json
import re
from statistics import median

from spec.harness.support.paths import ROOT


def test_ten_thousand_runs_cost_what_the_committed_ones_took() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    committed = json.loads((ROOT / "spec" / "frontier" / "records" / "step6.json").read_text(encoding="utf-8"))
    took = [sum(epoch["seconds"] for epoch in run["epochs"]) for run in committed["runs"]]
    costs = {
        name: (int(seconds), int(hours.replace(",", "")))
        for name, seconds, hours in re.findall(r"^\| the\w* (\w+).* \| (\d+) s \| ([\d,]+) core-hours \|$", page, re.M)
        if name in ("fastest", "median", "slowest")
    }
    expected = {"fastest": min(took), "median": median(took), "slowest": max(took)}
    assert costs == {name: (round(run), round(run * 10_000 / 3_600)) for name, run in expected.items()}
    assert len(took) == 20  # as the page says
