"""docs/records.md: it explains all fields that committed records have, and no others; what it shows runs."""

import json
import re
import subprocess
import sys

from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "records.md").read_text("utf-8")
RECORDS = sorted(ROOT.glob("spec/*/records/*.json"))


def test_every_field_is_explained() -> None:
    records = [json.loads(path.read_text("utf-8")) for path in RECORDS]
    runs = [run for record in records for run in record["runs"]]
    fields = {key for value in (*records, *runs, *(epoch for run in runs for epoch in run["epochs"])) for key in value}
    rows = re.findall(r"^\| (`.*?`) \| ", PAGE, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == fields - {"epoch"}


def test_the_program_prints_an_accuracy_for_each_seed() -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [int(seed) for seed, _ in lines] == list(range(10))
    assert all(99 < float(accuracy) < 100 for _, accuracy in lines)
