"""docs/colab.ipynb, cell by cell, as a notebook runs it: lines after `!` in a shell, the others in one Python."""

import json
import re
import sys
from pathlib import Path

import pytest

from spec.harness.support.installed import Installed
from spec.harness.support.paths import ROOT

NOTEBOOK = json.loads((ROOT / "docs" / "colab.ipynb").read_text())
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
FILE = "%%writefile "


def execute(cell: str, folder: Path, installed: Installed) -> str:
    """What a cell prints; it must succeed."""
    if cell.startswith(FILE):
        name, _, text = cell.removeprefix(FILE).partition("\n")
        (folder / name).write_text(text)
        return ""
    if not cell.startswith("!"):
        (folder / "cell.py").write_text(cell)
    status, output = installed.run(cell[1:] if cell.startswith("!") else f"{sys.executable} cell.py", folder)
    assert status == 0, f"{cell}\n{output}"
    return output


@pytest.mark.end_to_end
@pytest.mark.timeout(1800)
def test_each_cell_runs_and_the_training_ends_with_a_verdict(tmp_path: Path, installed: Installed) -> None:
    install, *others = CELLS
    assert install == "!pip install -q mnist_ladders-*.whl"
    outputs = {cell: execute(cell.replace("--seeds 3", "--seeds 1"), tmp_path, installed) for cell in others}
    [check, training] = [output for cell, output in outputs.items() if " check " in cell]
    [field] = [output for cell, output in outputs.items() if "receptive_field" in cell]
    # 9 x (8 + 80 + 140 + 224 + 288) weights, two per normalized channel, and 18 x 10 + 10
    assert "6,982 parameters, within the limit of 10,000" in check
    assert field.splitlines()[-1] == "(28, 28)"
    assert "99.40 % held in each of the last 3 epochs by 1 of 1" in training
    assert re.search(r"^8 passed", outputs['!cd mine && pytest -q -m "not slow"'], flags=re.MULTILINE)


def test_it_is_a_notebook_without_outputs() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")
