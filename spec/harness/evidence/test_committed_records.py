"""The records of the repository, and the README that shows them."""

import json
import re
from pathlib import Path

import pytest

from harness import steps
from harness.discovery import find
from harness.report.tables import ladder_table
from spec.harness.support.paths import ROOT

README = ROOT / "README.md"
FILES = sorted(ROOT.glob("spec/*/records/*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_committed_record_names_the_parameters_of_its_step(path: Path) -> None:
    written = json.loads(path.read_bytes())
    assert written["parameters"] == find(written["step"]).parameters


@pytest.mark.parametrize("ladder", sorted({step.ladder for step in steps().values()}))
def test_the_readme_shows_the_ladder_as_recorded(ladder: str) -> None:
    found = re.search(rf"<!-- {ladder} -->\n\n(.*?)\n<!-- /{ladder} -->", README.read_text(), re.DOTALL)
    assert found, f"README.md has no table between <!-- {ladder} --> and <!-- /{ladder} -->"
    assert found[1] == ladder_table(ladder), (
        f"README.md is out of date; write it anew with: pytest -k test_claims --update-records; the table is now:\n"
        f"{ladder_table(ladder)}"
    )
