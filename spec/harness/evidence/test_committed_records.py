"""The records of the repository are of its steps as they are, and the README shows them."""

import json
import re
from pathlib import Path

import pytest

from harness import steps
from harness.evidence import record
from harness.evidence.record import Record
from harness.ladder import find
from harness.provenance import Device, fingerprint
from harness.report.tables import ladder_table
from spec.harness.support.paths import ROOT

DEVICES: tuple[Device, ...] = ("cpu", "cuda")
README = ROOT / "README.md"
FILES = sorted(ROOT.glob("spec/*/records/*.json"))
RECORDED = [kept for step in steps().values() for device in DEVICES if (kept := record.read(step, device))]


@pytest.mark.parametrize("kept", RECORDED, ids=lambda kept: kept.step.id)
def test_a_committed_record_is_of_the_present_network_and_recipe(kept: Record) -> None:
    recorded = kept.step
    assert kept.provenance["fingerprint"] == fingerprint(recorded), (
        f"{record.path_of(recorded)} is stale: train again with python -m harness train {recorded.id} --seed "
        f"{' '.join(str(run.seed) for run in kept.runs)} --record --replace"
    )
    assert {len(run.epochs) for run in kept.runs} == {recorded.recipe.epochs}


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
