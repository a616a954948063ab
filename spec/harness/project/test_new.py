"""A project of one's own passes its checks as it is made, has what it was asked for, and is never half-written."""

import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from platform import python_version
from threading import BrokenBarrierError
from typing import ClassVar

import pytest

from harness.__main__ import main
from harness.discovery import steps
from harness.project import create
from harness.project.literal import classes, literal
from harness.recipe import Recipe, named
from harness.step import Step
from spec.harness.support.installed import Installed
from spec.harness.support.paths import ROOT
from spec.harness.support.processes import finish, start

NOTEBOOK = """
from __future__ import annotations
import torch
from torch import nn
N = 10  # classes
class Net(nn.Module):
    # the last homework
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, N, 5, bias=False)
        self.norm = nn.BatchNorm2d(N)
    def forward(self, x: torch.Tensor):
        return torch.log_softmax(torch.relu(self.norm(self.conv(x))).mean((2, 3)), 1)
net = Net().cuda()
"""


def new(*words: str) -> int:
    return main(["new", *words])


WIDE = """
from torch import nn
class Net(nn.Conv2d):
    def __init__(self, width):
        super().__init__(1, width, 3)
"""
COLOURS = """
from torch import nn
class Colours(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 10, 28)
"""


@pytest.fixture
def homework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "homework.py").write_text(NOTEBOOK)
    (tmp_path / "wide.py").write_text(WIDE)
    (tmp_path / "colours.py").write_text(COLOURS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.mark.end_to_end
def test_a_project_passes_its_checks_and_has_all_verbs(homework: Path, installed: Installed) -> None:
    def run(line: str, folder: Path = homework) -> str:
        status, output = installed.run(line, folder)
        assert status == 0, output
        return output

    run("mnist-ladders new my-net --from homework.py")
    run("python -m harness new my-net/my_net wider --follows first")
    project = homework / "my-net"
    assert "16 passed" in run('pytest -q -m "not slow"', project)
    for command in ("mnist-ladders", "python -m harness"):
        assert [line.split()[:2] for line in run(f"{command} show", project).splitlines()] == [
            ["my_net/first", "270"],
            ["my_net/wider", "270"],
        ]
    assert run("mnist-ladders report", project) == "report.html: 2 steps\nreport.html\n"


@pytest.mark.thorough
def test_the_wheel_holds_harness_alone(installed: Installed) -> None:
    names = {path.name for path in installed.site.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"bin", "harness"}
    committed = {path.relative_to(ROOT) for path in (ROOT / "harness").rglob("*") if "__pycache__" not in path.parts}
    assert {path.relative_to(installed.site) for path in (installed.site / "harness").rglob("*")} == committed


@pytest.mark.end_to_end
@pytest.mark.parametrize("verb", ["show", "search frontier"])
def test_where_there_is_no_project_a_verb_says_so(verb: str, installed: Installed, tmp_path: Path) -> None:
    status, output = installed.run(f"mnist-ladders {verb}", tmp_path)
    message = "no steps are here, as there is no folder spec/; go to a project, or make one: python -m harness new DIR"
    assert (status, output) == (2, f"mnist-ladders {verb.split()[0]}: error: {message}\n")


@pytest.mark.thorough
def test_the_command_says_its_version_and_bare_its_verbs(installed: Installed, tmp_path: Path) -> None:
    status, output = installed.run("mnist-ladders --version", tmp_path)
    assert status == 0
    named = f"mnist-ladders {version('mnist-ladders')}, torch {version('torch')}, Python {python_version()}"
    assert output == f"{named}\n"
    status, output = installed.run("mnist-ladders", tmp_path)
    assert status == 2
    assert output == installed.run("mnist-ladders --help", tmp_path)[1]


def test_the_network_is_copied_with_what_it_needs_and_its_comments(homework: Path) -> None:
    assert new("mine", "--from", "homework.py:Net") == 0
    text = (homework / "mine/models/mine.py").read_text()
    assert "from __future__ import annotations" in text.splitlines()[2]
    assert "N = 10  # classes" in text.splitlines()
    assert "    # the last homework" in text.splitlines()
    assert "cuda" not in text


def test_a_project_without_a_network_begins_with_a_small_one(homework: Path) -> None:
    assert new("mine") == 0
    text = (homework / "mine/spec/mine/test_01_first.py").read_text()
    weights = 9 * (8 + 8 * 8 + 8 * 16 + 16 * 16 + 16 * 16) + 2 * (8 + 8 + 16 * 3) + 16 * 10 + 10
    assert f"parameters = {weights:_}\n" in text
    assert "receptive_field = 28\n" in text


def test_an_empty_folder_becomes_a_project_also_behind_a_link_and_with_a_space_in_its_path(
    homework: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (homework / "my stuff/mine").mkdir(parents=True)
    (homework / "link").symlink_to("my stuff/mine")
    assert new("link") == 0
    assert (homework / "my stuff/mine/models/mine.py").exists()
    assert new("my stuff/other") == 0
    assert "cd 'my stuff/other' && pytest" in capsys.readouterr().out


def test_a_step_is_numbered_behind_the_last_whatever_was_deleted(
    homework: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new("mine") == 0
    monkeypatch.setattr(create, "find", lambda _: steps()["five_steps/step1"])
    (homework / "mine/spec/mine/test_03_kept.py").touch()
    assert new("mine/mine", "fourth", "--follows", "first") == 0
    assert (homework / "mine/spec/mine/test_04_fourth.py").exists()


def test_the_next_step_is_a_copy_of_one_with_its_final_epochs_and_also_of_a_variant(
    homework: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Step):
        """A step of two epochs."""

        recipe = Recipe(lr=0.1, batch_size=64, epochs=2)
        parameters, receptive_field, final_epochs = 1, 28, 1
        variants: ClassVar = {"slow": {"lr": 0.01}}

    assert new("mine") == 0
    for name, step in (("plain", Short), ("varied", Short.slow)):  # type: ignore[attr-defined]
        monkeypatch.setattr(create, "find", lambda _, step=step: step)
        assert new("mine/mine", name, "--follows", "first") == 0
        [path] = (homework / "mine/spec/mine").glob(f"test_*_{name}.py")
        text = path.read_text()
        assert f"    recipe = before.{step.__qualname__}.recipe\n    final_epochs = 1\n" in text
        assert f"    model = before.{step.__qualname__}.model\n" in text


def test_steps_are_numbered_in_their_order(homework: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new("mine") == 0
    assert new("mine/other", "begin", "--from", "homework.py:Net") == 0
    assert [path.name for path in sorted((homework / "mine/spec/other").iterdir())] == [
        "__init__.py",
        "test_01_begin.py",
    ]


def test_a_ladder_may_begin_with_a_step_that_follows_one_of_another(
    homework: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new("mine") == 0
    monkeypatch.setattr(create, "find", lambda _: steps()["five_steps/step1"])
    assert new("mine/other", "begin", "--follows", "mine/first") == 0
    assert {path.name for path in (homework / "mine/spec/other").iterdir()} == {"__init__.py", "test_01_begin.py"}
    own = homework / "mine/spec/other/__init__.py"
    own.write_text("RULES = 1")
    assert new("mine/other", "wider", "--follows", "begin") == 0
    assert own.read_text() == "RULES = 1"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from mine import Block", "mine"),
        ("import mine.blocks as blocks\nBlock = blocks.Block", "mine.blocks"),
        ("from .mine import Block", ".mine"),
        ("from . import mine\nBlock = mine.Block", "."),
        ("from harness import Recipe\nBlock = Recipe and __import__('torch').nn.Identity", None),
    ],
)
def test_a_network_of_several_files_begins_no_project(
    homework: Path, capsys: pytest.CaptureFixture[str], line: str, name: str | None
) -> None:
    """In the folder of these files it could be built, and nowhere else."""
    (homework / "harness").mkdir()  # as in a checkout of ours
    (homework / "mine").mkdir()
    for file in (homework / "mine.py", homework / "mine" / "blocks.py"):
        file.write_text("from torch import nn\nclass Block(nn.Identity): pass\n")
    network = NOTEBOOK.replace("nn.BatchNorm2d(N)", "Block()").replace("import torch\n", f"import torch\n{line}\n", 1)
    (homework / "several.py").write_text(network)
    status = new("made", "--from", "several.py:Net")
    if name is None:
        assert status == 0
    else:
        assert (status, (homework / "made").exists()) == (2, False)
        message = f"several.py imports {name}, which is beside it; put all that the network needs into one file"
        assert capsys.readouterr().err == f"python -m harness new: error: {message}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["full"], "full exists and is not empty"),
        (["2nd"], "'2nd' is no name of a ladder"),
        (["class"], "'class' is no name of a ladder, as it means something else here"),
        (["build"], "'build' is no name of a ladder, as it means something else here"),
        (["made/venv", "first"], "'venv' is no name of a ladder, as it means something else here"),
        (["spec"], "'spec' is no name of a ladder"),
        (["mine", "--from", "homework.py:Nat"], "nearest: Net"),
        (["mine", "--from", "nothing"], "names no class"),
        (["mine", "--from", "homework.py:Net(3)"], "homework.py:Net(3): a step builds its network without arguments"),
        (["mine", "--from", "wide.py:Net"], "error: wide.py:Net: missing a required argument: 'width'; give what its"),
        (
            ["mine", "--from", "colours.py:Colours"],
            "error: colours.py:Colours: its forward pass of 2 x 1 x 28 x 28 raised ",
        ),
        ([""], "'' is not the name of a file or a folder"),
        (["."], "a project is a new folder; go up, and make it from there: python -m harness new "),
        (
            ["mine", "--from", "beside_it:Net"],
            "--from beside_it:Net: a new project does not find beside_it; name its file",
        ),
        (["mine", "--follows", "first"], "--follows is for a step of a ladder"),
        (["nowhere/mine", "second", "--follows", "first"], "nowhere is no project"),
        (["made/made", "first"], "made has a step first"),
        (["made/made", "second"], "say which step of made second follows, as in --follows first"),
        (["made/made", "../second", "--follows", "first"], "no name of a step"),
        (["made/made", "second", "--follows", "first", "--from", "homework.py"], "not from both"),
    ],
)
def test_a_wrong_word_is_an_error_and_nothing_is_written(
    homework: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (homework / "full").mkdir()
    (homework / "full/file").touch()
    (homework / "beside_it.py").write_text(NOTEBOOK.replace(".cuda()", ""))
    assert new("made") == 0
    before = sorted(homework.rglob("*"))
    assert new(*words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert sorted(homework.rglob("*")) == before


ODD = """
from torch import nn
class Wide(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 10, (3, 5)))
class Sorts(nn.Module):
    def forward(self, images):
        return images.sort(3).values
class Seven(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 7, 28), nn.Flatten())
class Fixed(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10]
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Wide", "the network sees 3 x 5 pixels; a step has a field as wide as high"),
        ("Sorts", "the receptive field of the network is not known: sort"),
        ("Seven", "odd.py:Seven: the model turns 2 x 1 x 28 x 28 into 2 x 7, not 2 x 10"),
        ("Fixed", "odd.py:Fixed: the model has no parameters to train"),
    ],
)
def test_a_network_whose_field_no_spec_can_say_or_that_no_step_can_train_begins_no_project(
    homework: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (homework / "odd.py").write_text(ODD)
    assert new("mine", "--from", f"odd.py:{name}") == 2
    assert message in capsys.readouterr().err
    assert not (homework / "mine").exists()


def test_a_project_that_cannot_be_written_is_not_begun(homework: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(homework.rglob("*"))

    def full(path: Path, raw: bytes) -> None:
        if path.name == "conftest.py":
            raise OSError(28, "No space left on device")
        path.write_bytes(raw)

    monkeypatch.setattr("harness.files.write", full)
    assert new("mine") == 2
    assert sorted(homework.rglob("*")) == before


def test_without_an_installation_a_line_says_what_a_project_needs(
    homework: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert new("mine") == 2
    advice = "a project needs mnist-ladders installed; type in its checkout: pip install ."
    assert capsys.readouterr().err == f"python -m harness new: error: {advice}\n"
    assert not (homework / "mine").exists()


def test_without_a_temporary_folder_a_line_says_how_to_name_one(
    homework: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(homework / "gone"))
    assert new("mine") == 2
    assert capsys.readouterr().err == (
        "python -m harness new: error: no temporary files can be written: No such file or directory; "
        "TMPDIR names the folder for them\n"
    )
    assert not (homework / "mine").exists()


def interrupt(path: Path, raw: bytes) -> None:
    """Ctrl-C at the last file."""
    if path.name.startswith("test_"):
        raise KeyboardInterrupt
    path.write_bytes(raw)


@pytest.mark.parametrize("words", [["deep/down/mine"], ["made/other", "one"]])
def test_ctrl_c_leaves_nothing_of_what_was_being_made(
    homework: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    assert new("made") == 0
    before = sorted(homework.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("harness.files.write", interrupt)
        assert new(*words) == 130
    assert sorted(homework.rglob("*")) == before
    assert new(*words) == 0


def test_a_step_that_cannot_be_written_leaves_no_network_behind(
    homework: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("made") == 0
    (homework / "made/spec/other").touch()  # where its folder would be
    before = sorted(homework.rglob("*"))
    assert new("made/other", "one") == 2
    err = capsys.readouterr().err
    assert err.startswith("python -m harness new: error: cannot write made/spec/other")
    assert err.endswith("; it is as it was\n")
    assert sorted(homework.rglob("*")) == before
    (homework / "made/spec/other").unlink()
    assert new("made/other", "one") == 0


@pytest.mark.thorough
def test_steps_that_are_made_at_once_have_a_number_each(homework: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert new("made") == 0
    both = get_context("fork").Barrier(2)

    def slow(*_: object) -> type:
        with suppress(BrokenBarrierError):
            both.wait(1)  # for the other, if it is not kept out
        return steps()["five_steps/step1"]

    def make(name: str) -> None:
        create.new_step(Path("made/made"), name, "first", None)

    monkeypatch.setattr(create, "find", slow)
    finish(*[start(make, name) for name in ("one", "other")])
    made = sorted(path.name.split("_")[1] for path in (homework / "made/spec/made").glob("test_*.py"))
    assert made == ["01", "02", "03"]
    assert not list(homework.rglob("*.lock"))


@pytest.mark.parametrize("step", steps().values(), ids=lambda step: step.id)
def test_the_source_of_a_recipe_makes_it_again(step: type) -> None:
    recipe = step.recipe  # type: ignore[attr-defined]
    source = literal(recipe)
    names = {name: getattr(__import__("harness.recipe").recipe, name) for name in classes(source)}
    assert eval(source, names) == recipe


def test_arguments_at_their_default_are_left_out() -> None:
    assert literal(named.NAMED["plain"]) == "Recipe(lr=0.01, batch_size=64, epochs=15)"
