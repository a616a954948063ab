"""A notebook, or a script that was one, is read without what is for IPython, and an error is placed by its cell."""

import json
from pathlib import Path

import pytest
from torch import nn

from harness.errors import HarnessError
from harness.review import load


def notebook(path: Path, *cells: str) -> Path:
    sources = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# class Net"}, *sources]}))
    return path


def test_a_notebook_is_run_without_magics_and_cells_of_other_languages(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "notes.ipynb",
        "%matplotlib inline\n!pip install \\\n  torchsummary\npip install x\nfiles = !ls",
        "import torch.nn as nn\nnn.Module?",
        "%%bash\nrm -rf nothing",
        "%%time\nif True:\n    !echo inside\n    width = 3",
        "def half of a sketch",
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(width, 1)",
        "net = Net().to('cuda')",
    )
    assert load(f"{path}:Net")().in_features == 3


PYTHON = r"""
import torch.nn as nn
PATH = "C:\Windows\Learning"
text = ("width %d"
        % 3)
def width():
    n = 3  # or should it be 4?
    return n
class Net(nn.Linear):
    def __init__(self):
        super().__init__(
            width(),  # is that enough?
            1,
        )
"""


@pytest.mark.parametrize("magic", ["", "!pip install torch\n", "%matplotlib inline\nnn.Linear??\nfiles = !ls\n"])
@pytest.mark.parametrize("kind", ["py", "ipynb"])
def test_lines_of_python_are_not_taken_for_lines_of_ipython(
    tmp_path: Path, kind: str, magic: str, recwarn: pytest.WarningsRecorder
) -> None:
    """A notebook that was exported as a script has lines for IPython as well."""
    path = tmp_path / f"notes.{kind}"
    if kind == "py":
        path.write_text(magic + PYTHON)
    else:
        notebook(path, magic + PYTHON)
    assert load(f"{path}:Net")().in_features == 3
    assert not recwarn.list


def test_a_cell_that_is_left_out_is_named_where_a_class_is_missed(tmp_path: Path) -> None:
    path = notebook(tmp_path / "notes.ipynb", "from torch import nn", "!ls \\\n  x\nclass Net(nn.Module):\n    def (")
    with pytest.raises(
        HarnessError, match=r"defines no 'Net'.*; left out as it is not Python: cell 2, line 4: invalid"
    ):
        load(f"{path}:Net")
    with pytest.raises(HarnessError, match="none was found; left out as it is not Python: cell 2, line 4: invalid"):
        load(f"{path}")


def test_a_file_with_one_network_needs_no_class(tmp_path: Path) -> None:
    path = notebook(tmp_path / "notes.ipynb", "from torch import nn", "class Net(nn.ReLU): ...\nclass ReLU: ...")
    path.write_text(path.read_text().replace("nn.ReLU", "nn.Module"))
    assert isinstance(load(str(path))(), nn.Module)


def test_an_error_in_a_notebook_is_placed_by_its_cell(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "notes.ipynb", "from torch import nn", "%%bash\nls", "\nclass Net(nn.Module):\n    x = 1 / 0"
    )
    with pytest.raises(HarnessError, match=r"ZeroDivisionError: .* \(notes.ipynb, cell 3, line 3\)"):
        load(f"{path}:Net")


def test_a_notebook_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.ipynb"
    path.write_text("[]")
    with pytest.raises(HarnessError, match="is no notebook"):
        load(f"{path}:Net")


def test_a_notebook_that_is_nested_too_deeply_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.ipynb"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(HarnessError, match=r"^\S+ is no notebook: it is nested too deeply$"):
        load(f"{path}:Net")


@pytest.mark.parametrize("kind", ["py", "ipynb"])
def test_a_text_in_another_encoding_is_to_be_saved_anew(tmp_path: Path, kind: str) -> None:
    """As the shell of Windows writes what is redirected."""
    path = tmp_path / f"notes.{kind}"
    path.write_text("{}", encoding="utf-16")
    with pytest.raises(HarnessError, match=r"^\S+ is no text in UTF-8: .*; save it as UTF-8$"):
        load(f"{path}:Net")
