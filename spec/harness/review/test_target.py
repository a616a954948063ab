"""A class is taken out of scripts and notebooks as people write them, and no more of them is run than it needs."""

import json
import sys
from pathlib import Path

import pytest
from torch import nn

from harness.errors import HarnessError
from harness.review import load

SCRIPT = """
import sys
import torch.nn as nn
sys.started = True
def width():
    return SIZES["first"]
SIZES = {}
SIZES["first"] = 4
class Base(nn.Module):
    def __init__(self, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, width(), 3)
class Net(Base):
    def forward(self, x):
        return self.conv(x)
class Other:
    pass
net = Net()
raise SystemExit("training has begun")
if __name__ == "__main__":
    Net = None
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def notebook(path: Path, *cells: str) -> Path:
    sources = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# class Net"}, *sources]}))
    return path


def test_of_a_script_only_what_the_class_needs_is_run(script: Path) -> None:
    network = load(f"{script}:Net")()
    assert [tuple(weight.shape) for weight in network.parameters()] == [(4, 1, 3, 3), (4,)]
    assert not hasattr(sys, "started")


def test_the_words_of_the_command_line_are_not_those_of_the_script(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("import sys\nfrom torch import nn\nn = len(sys.argv)\nclass Net(nn.Linear):\n"
                    "    def __init__(self): super().__init__(n, 1)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 1


def test_modules_beside_the_file_are_found(tmp_path: Path) -> None:
    (tmp_path / "widths_beside.py").write_text("WIDTH = 7\n")
    path = tmp_path / "script.py"
    path.write_text("from widths_beside import *\nfrom torch import nn\nclass Net(nn.Linear):\n"
                    "    def __init__(self): super().__init__(WIDTH, 1)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 7


def test_a_notebook_is_run_without_magics_and_cells_of_other_languages(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "notes.ipynb",
        "%matplotlib inline\n!pip install torchsummary\nfiles = !ls\nimport torch.nn as nn\nnn.Module?",
        "%%bash\nrm -rf nothing",
        "%%time\nif True:\n    !echo inside\n    width = 3",
        "def half of a sketch",
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(width, 1)",
        "net = Net().to('cuda')",
    )
    assert load(f"{path}:Net")().in_features == 3


def test_a_file_with_one_network_needs_no_class(tmp_path: Path) -> None:
    path = notebook(tmp_path / "notes.ipynb", "from torch import nn", "class Net(nn.ReLU): ...\nclass ReLU: ...")
    path.write_text(path.read_text().replace("nn.ReLU", "nn.Module"))
    assert isinstance(load(str(path))(), nn.Module)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{}:Nat", "nearest: Net"),
        ("{}", "Base, Net"),
        ("{}:width", "gives int, which is no torch.nn.Module"),
        ("{}:SIZES", "is dict, which builds no network"),
        ("{}:net", "is one network; name what builds it, such as its class Net"),
        ("not/{}:Net", "cannot read .*: No such file"),
        ("torch.nn:Nothing", "torch.nn has no 'Nothing'"),
        ("torch.nn:Linear", "cannot be built: TypeError: .*in_features"),
        ("nowhere.at_all:Net", "cannot be imported: ModuleNotFoundError"),
        ("nothing/step1", "unknown step"),
        ("Net", "is no network; give file.py:Class"),
        ("", "is no network; give file.py:Class"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(script: Path, target: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message) as caught:
        load(target.format(script))()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "class Net(nn.Module): ...",
        "import torch.nn as nn\nclass Net(nn.Module):\n    raise SystemExit(0)",
        "class Net(:",
    ],
)
def test_code_that_fails_is_an_error_of_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(text)
    with pytest.raises(HarnessError, match=r"script\.py (fails: (NameError|SystemExit)|is not Python: line 1)"):
        load(f"{path}:Net")


def test_a_notebook_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.ipynb"
    path.write_text("[]")
    with pytest.raises(HarnessError, match="is no notebook"):
        load(f"{path}:Net")
