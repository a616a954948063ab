"""A class is taken out of files as people write them, and no more of them is run than it needs."""

import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.review import load
from harness.review.target import definition

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


def test_of_a_script_only_what_the_class_needs_is_run(script: Path) -> None:
    network = load(f"{script}:Net")()
    assert [tuple(weight.shape) for weight in network.parameters()] == [(4, 1, 3, 3), (4,)]
    assert not hasattr(sys, "started")


def test_the_words_of_the_command_line_are_not_those_of_the_script(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("import sys\nfrom torch import nn\nn = len(sys.argv)\nclass Net(nn.Linear):\n"
                    "    def __init__(self): super().__init__(n, 1)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 1


GROWN = """
import sys
import torch
from torch import nn
torch.save(nothing)
widths = []
for i in range(3):
    widths.append(i + 5)
if __name__ == "__main__":
    widths.clear()
sizes = {}
sizes.update(classes=10)
def unused():
    sizes.clear()
class Net(nn.Linear):
    def __init__(self):
        super().__init__(widths[-1], sizes["classes"])
        torch.manual_seed(0)
net = Net()
for image in sys.argv:
    net.cuda(image)
"""


def test_a_value_that_grows_by_calls_of_its_methods_is_grown_and_no_module_is_called(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(GROWN)
    net = load(f"{tmp_path}/script.py:Net")()
    assert [list(weight.shape) for weight in net.parameters()] == [[10, 7], [10]]


NAMESAKES = """
import sys
from math import *
from torch import nn
x = sys.exit("x")
out = input("out?")
for i in range(2):
    sys.exit("i")
for layer in [1]:
    sys.exit("layer")
with open("no such file") as stream:
    size = stream.read()
match (3, 4, 5):
    case (x, n, *layers):
        out = n
widths = [0]
for k in range(3):
    widths.append(k)
k = sys.exit("k")
class Net(nn.Linear):
    n = n
    def __init__(self, size=5):
        self.layers = [size + i for i in range(2)]
        super().__init__(widths[-1], self.n)
        del self.layers
    def forward(self, x):
        for layer in [super()]:
            out = layer.forward(x)
        with stream() as stream:
            return (lambda k: k)(out)
"""


def test_variables_of_functions_and_loops_are_no_globals_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(NAMESAKES)
    net = load(f"{tmp_path}/script.py:Net")()
    assert [list(weight.shape) for weight in net.parameters()] == [[4, 2], [4]]


def test_the_text_of_a_statement_is_all_of_it_and_nothing_else(tmp_path: Path) -> None:
    """With the line ends of Python alone, as others may be in a string or stand for an empty line."""
    (path := tmp_path / "script.py").write_text(
        'import os; from torch import nn; os.stop()\r\n\f\r\nN = "\u2028é"; os.stop()  # no\n'
        "@str\nclass Net(nn.Module):\n    n = N  # yes\n\n    def more(self):\n        self.n = 2\n",
        encoding="utf-8",
        newline="",
    )
    assert [one.text for one in definition(path, "Net")[1]] == [
        "from torch import nn",
        'N = "\u2028é"',
        "@str\nclass Net(nn.Module):\n    n = N  # yes\n\n    def more(self):\n        self.n = 2",
    ]


def test_modules_beside_the_file_are_found(tmp_path: Path) -> None:
    (tmp_path / "widths_beside.py").write_text("WIDTH = 7\n")
    path = tmp_path / "script.py"
    path.write_text("from widths_beside import *\nfrom torch import nn\nclass Net(nn.Linear):\n"
                    "    def __init__(self): super().__init__(WIDTH, 1)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 7


def test_relative_imports_are_found_without_the_code_of_their_package(tmp_path: Path) -> None:
    package = tmp_path / "outer" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("raise SystemExit('a package that trains when it is imported')\n")
    (package.parent / "widths.py").write_text("WIDTH = 7\n")
    (package / "blocks.py").write_text("from torch import nn\nfrom ..widths import WIDTH\n"
                                       "class Block(nn.Linear):\n    pass\n")  # fmt: skip
    path = package / "net.py"
    path.write_text("from .blocks import Block\nfrom .. import widths\nclass Net(Block):\n"
                    "    def __init__(self): super().__init__(widths.WIDTH, 2)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 7


ABSENT = """
from nowhere_at_all import *
from typing import Optional
from nowhere_at_all import bar
import nowhere_at_all.plots as plots
from torch.nn import *
class Net(Linear):
    def __init__(self, width=3):
        super().__init__(width, 1)
    def fit(self, images):
        for image in bar(images):
            plots.draw(self(image))
class Draws(Net):
    def __init__(self):
        super().__init__()
        plots.draw(self)
class Inherits(bar.Module):
    pass
class Annotated(Linear):
    def __init__(self, shown: Optional[bar] = None):
        super().__init__(3, 1)
"""


def test_packages_that_no_layer_needs_need_not_be_installed(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(ABSENT.replace("from nowhere_at_all import *", ""))
    for name in ("Net", "Annotated"):
        assert load(f"{path}:{name}")().in_features == 3
    for name in ("Draws", "Inherits"):
        with pytest.raises(HarnessError, match="the network needs nowhere_at_all, which is neither installed nor"):
            load(f"{path}:{name}")()


def test_a_file_that_is_missing_beside_a_script_has_the_name_that_the_script_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("from .blocks import Block\nfrom torch import nn\nclass Net(nn.Module):\n"
                    "    def __init__(self):\n        Block()\n")  # fmt: skip
    with pytest.raises(HarnessError, match="the network needs blocks, which is neither installed nor beside its file"):
        load(f"{path}:Net")()


def test_a_file_of_another_kind_is_no_module(tmp_path: Path) -> None:
    path = tmp_path / "network.txt"
    path.touch()
    with pytest.raises(HarnessError, match=r"network\.txt is neither a script, \.py, nor a notebook, \.ipynb"):
        load(f"{path}:Net")


def test_what_is_imported_by_a_star_is_imported_if_it_may_be_needed(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("from nowhere_at_all import *\nimport torch.nn as nn\nclass Net(nn.Linear):\n"
                    "    def __init__(self, n=3):\n        m = n\n        super().__init__(m, 1)\n")  # fmt: skip
    assert load(f"{path}:Net")().in_features == 3
    path.write_text(ABSENT)
    with pytest.raises(HarnessError, match="its code raised ModuleNotFoundError"):
        load(f"{path}:Net")


@pytest.mark.parametrize(
    ("call", "width"), [("Net", 3), ("Net()", 3), ("Net(4)", 4), ("Net(width=2 + 3j)", 2 + 3j), ("Net('a:(b')", "a:(b")]
)
def test_a_class_is_built_with_the_arguments_behind_it(tmp_path: Path, call: str, width: object) -> None:
    path = tmp_path / "script (copy).py"
    path.write_text("from torch import nn\nclass Net(nn.Module):\n    def __init__(self, width=3):\n"
                    "        super().__init__()\n        self.width = width\n")  # fmt: skip
    assert load(f"{path}:{call}")().width == width


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
        ("torch.nn:Linear", r"missing a required argument: 'in_features'; .* as in Linear\(in_features=..., out_"),
        ("torch.nn:Linear('wide', 4)", "its constructor raised TypeError"),
        ("torch.nn:ReLU(inplaec=True)", r"an unexpected keyword argument 'inplaec'; .* as in ReLU\(\)"),
        ("torch.nn:Linear(n, 10)", r"Linear\(n, 10\) is no class with literals as its arguments, as in Net\(16"),
        ("torch.nn:Linear({{[]: 1}})", r"^Linear\(\{\[\]: 1\}\) is no class with literals"),
        ("torch.nn:Linear(3))", "is no class with literals"),
        ("torch.nn:(3)", "is no class with literals"),
        ("nowhere.at_all:Net", "its import raised ModuleNotFoundError"),
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
    with pytest.raises(
        HarnessError,
        match=r"script\.py(: its code raised (NameError|SystemExit)| is not Python: line 1: invalid syntax$)",
    ):
        load(f"{path}:Net")


def test_code_that_is_nested_too_deeply_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("x = " + "-" * 200_000 + "1")
    with pytest.raises(HarnessError, match=r"script\.py is not Python: it is nested too deeply$"):
        load(f"{path}:Net")


def test_a_script_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    """Python runs such a file, as another program imports it."""
    path = tmp_path / "script.py"
    text = "# -*- coding: latin-1 -*-\nfrom torch import nn\nclass Net(nn.Module):\n    name = 'größe'\n"
    path.write_bytes(text.encode("latin-1"))
    assert load(f"{path}:Net")().name == "größe"
    for wrong in ("utf-8", "nothing", "rot13"):
        path.write_bytes(text.replace("latin-1", wrong).encode("latin-1"))
        with pytest.raises(HarnessError, match=r"script\.py is no text in UTF-8: .*; save it as UTF-8$"):
            load(f"{path}:Net")
