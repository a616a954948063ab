"""Steps: ids from files, and specs that cannot be used."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import steps
from harness.__main__ import main
from harness.discovery import find
from harness.errors import HarnessError
from spec.harness.support.other_spec import hide_ours
from spec.harness.support.paths import ROOT

FIVE_STEPS = [f"five_steps/step{n}" for n in range(1, 6)]

SPEC = '''
from harness import Recipe, StepSpec


class TestTiny(StepSpec):
    """A title.

    Target:
        x

    Result:
        Parameters: 1 · receptive field: 1

    Analysis:
        z
    """

    model = dict
    parameters = 1
    receptive_field = 1
    recipe = Recipe(lr=0.1, batch_size=64, epochs=3)
'''


def test_steps_have_the_published_ids_in_order() -> None:
    assert [step_id for step_id in steps() if step_id.startswith("five_steps/")] == FIVE_STEPS


def test_an_unknown_step_names_the_nearest() -> None:
    with pytest.raises(HarnessError, match=r"unknown step 'five_step/step3'; nearest: .*five_steps/step3"):
        find("five_step/step3")


def test_a_step_knows_its_file_and_title() -> None:
    step = steps()["five_steps/step3"]
    assert (step.id, step.ladder, step.title) == ("five_steps/step3", "five_steps", "Step 3: batch normalization")
    assert step.follows == "five_steps/step2"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the one ladder in a package `spec` that takes the place of ours."""
    (tmp_path / "spec" / "mine").mkdir(parents=True)
    (tmp_path / "spec" / "__init__.py").touch()
    (tmp_path / "spec" / "mine" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    hide_ours(monkeypatch)
    return tmp_path / "spec" / "mine"


def forget_spec() -> None:
    """Drop the modules of the fixture above from `sys.modules`, of which monkeypatch does not know."""
    for name in [name for name in sys.modules if name == "spec" or name.startswith("spec.")]:
        del sys.modules[name]


def test_adding_a_file_adds_a_step(elsewhere: Path) -> None:
    (elsewhere / "test_02_second.py").write_text(SPEC)
    (elsewhere / "test_01_first.py").write_text(SPEC)
    try:
        assert list(steps()) == ["mine/first", "mine/second"]
    finally:
        forget_spec()


def test_steps_are_in_the_order_of_their_numbers(elsewhere: Path) -> None:
    for name in ("test_10_tenth.py", "test_2_second.py", "test_01_first.py"):
        (elsewhere / name).write_text(SPEC)
    try:
        assert list(steps()) == ["mine/first", "mine/second", "mine/tenth"]
    finally:
        forget_spec()


def test_what_shares_a_file_has_the_id_of_its_class(elsewhere: Path) -> None:
    (elsewhere / "candidates.py").write_text(SPEC + SPEC.replace("TestTiny", "Tinier"))
    try:
        space = importlib.import_module("spec.mine.candidates")
        assert (space.TestTiny.id, space.Tinier.id, space.Tinier.ladder) == ("mine/TestTiny", "mine/Tinier", "mine")
    finally:
        forget_spec()


def test_two_specs_with_one_id_are_refused(elsewhere: Path) -> None:
    (elsewhere / "test_01_tiny.py").write_text(SPEC)
    (elsewhere / "test_02_tiny.py").write_text(SPEC)
    try:
        with pytest.raises(HarnessError, match=r"two specs have the id mine/tiny: .*test_01_tiny and .*test_02_tiny"):
            steps()
    finally:
        forget_spec()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tiny.py", SPEC, "name its file test_<nn>_<step>.py"),
        ("test_01_tiny.py", SPEC.replace("TestTiny", "Tiny"), "Tiny; let it be a StepSpec whose name begins with Test"),
        ("test_01_tiny.py", f"{SPEC}    __test__ = False\n", "Tiny; .* no __init__ or __test__ of its own"),
        ("test_01_tiny.py", f"{SPEC}    def __init__(self): pass\n", "Tiny; .* no __init__ or __test__ of its own"),
        ("test_01_tiny.py", f"{SPEC}    test_rules = None\n", "Tiny; .* with the test_rules that it inherits"),
        (
            "test_01_tiny.py",
            f"from harness.step import Step\n{SPEC.replace('(StepSpec', '(Step')}",
            "Tiny; let it be a StepSpec",
        ),
        ("test_01_tiny.py", "import nowhere_to_be_found", "its import raised ModuleNotFoundError"),
        ("test_01_tiny.py", SPEC.replace("epochs=3", "epochs=0"), "its import raised ValueError: Recipe.epochs"),
    ],
)
def test_a_spec_that_cannot_be_used_is_named(elsewhere: Path, name: str, text: str, message: str) -> None:
    (elsewhere / name).write_text(text)
    try:
        with pytest.raises(HarnessError, match=f"spec.mine.{Path(name).stem}.*{message}"):
            steps()
    finally:
        forget_spec()


@pytest.mark.parametrize(
    ("follows", "circle"),
    [
        ({"a": "a"}, "mine/a -> mine/a"),
        ({"a": "b", "b": "a", "c": "b"}, "mine/(a -> mine/b -> mine/a|b -> mine/a -> mine/b)"),
        ({"b": "a", "c": "b", "a": "c@fast"}, ".*mine/c@fast -> mine/c -> mine/b.*"),
    ],
)
def test_steps_that_follow_each_other_in_a_circle_are_refused(
    elsewhere: Path, follows: dict[str, str], circle: str
) -> None:
    for n, (name, before) in enumerate(follows.items(), 1):
        own = f'    follows = "mine/{before}"\n    variants = {{"fast": {{"lr": 0.2}}}}\n'
        (elsewhere / f"test_0{n}_{name}.py").write_text(SPEC + own)
    try:
        with pytest.raises(HarnessError, match=f"^steps follow .* in a circle, {circle}; correct follows or"):
            steps()
    finally:
        forget_spec()


def test_a_teacher_that_follows_its_pupil_is_refused(elsewhere: Path) -> None:
    taught = SPEC.replace("epochs=3", "epochs=3, teacher=Teacher('mine/big', '0' * 16)")
    (elsewhere / "test_01_small.py").write_text(f"from harness.recipe import Teacher\n{taught}")
    (elsewhere / "test_02_big.py").write_text(f'{SPEC}    follows = "mine/small"\n')
    try:
        with pytest.raises(
            HarnessError, match=" circle, mine/(small -> mine/big -> mine/small|big -> mine/small -> mine/big);"
        ):
            steps()
    finally:
        forget_spec()


@pytest.mark.parametrize(
    ("gone", "more", "message"),
    [
        (["mine/__init__.py"], ["mine/test_01_tiny.py"], "spec/mine has no __init__.py, without which no step"),
        ([], [], "spec has no step yet; make one: python -m harness new ./LADDER STEP"),
        (["mine/__init__.py", "mine", "__init__.py", ""], ["../spec.py"], "spec.py stands in for the folder spec/"),
    ],
)
@pytest.mark.parametrize("verb", ["show", "report"])
def test_a_verb_says_what_is_missing_where_it_finds_no_step(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], gone: list[str], more: list[str], message: str, verb: str
) -> None:
    folder = elsewhere.parent
    for name in gone:
        path = folder / name
        path.rmdir() if path.is_dir() else path.unlink()
    for name in more:
        Path(os.path.normpath(folder / name)).touch()
    try:
        assert main([verb]) == 2
    finally:
        forget_spec()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-P"],
            "the folder spec/ is here, but Python was told not to look here, by -P, -I or PYTHONSAFEPATH; "
            "use the command mnist-ladders, which does",
        ),
        ([], ".*spec has no __init__.py, without which no step in it is found; add an empty one"),
    ],
)
def test_a_folder_spec_that_cannot_be_imported_as_a_package_is_told_from_none(
    elsewhere: Path, options: list[str], message: str
) -> None:
    (elsewhere.parent / "__init__.py").unlink()
    site = elsewhere.parent.parent / "site"  # which has a harness, and no spec
    site.mkdir()
    (site / "harness").symlink_to(ROOT / "harness")
    done = subprocess.run(
        [sys.executable, *options, "-m", "harness", "show"],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"python -m harness show: error: {message}\n", done.stderr)
