"""Steps: ids from files, specs that cannot be used, and runs that contradict a claim."""

import importlib
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import Recipe, StepSpec, steps
from harness.__main__ import main
from harness.errors import HarnessError
from harness.evidence import published, record
from harness.ladder import find
from harness.run import Epoch, Run
from harness.step import Step
from harness.step_spec import RefutedError, judge
from spec.harness.evidence.records_of import keep, step_with
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


def test_a_variant_is_shown_with_its_own_figures_and_without_the_prose_of_its_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "expand_squeeze/s7_file3@batch64"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    n = len(record.runs(find("expand_squeeze/s7_file3@batch64")))
    assert re.match(rf"99\.\d\d \[.*\] over the final 3 epochs of {n} seeds, ", lines[lines.index("Measured") + 1])
    assert not {"Target", "Result", "Analysis", "Notes", "Claims"} & set(lines)
    assert "Changed since expand_squeeze/s7_file3" in lines


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


PLAIN = "T.\n\nTarget:\n  x\n\nResult:\n  y\n\nAnalysis:\n  z\n"


def step_of(**attributes: Any) -> type[Step]:
    """A step with four epochs, for tests that look at its docstring and its goal only."""
    document = "T.\n\nTarget:\n    x\n\nResult:\n    Published: best test 99.35\n\nAnalysis:\n    z\n"
    recipe = Recipe(lr=0.1, batch_size=64, epochs=4)
    return type("Step", (StepSpec,), {"__doc__": document, "__module__": __name__, "recipe": recipe, **attributes})


def histories(step: type[Step], *finals: float) -> list[Run]:
    """One run per accuracy, with this accuracy in every epoch."""
    return [
        Run(step, seed, tuple(Epoch(number, 99.0, accuracy, 0.1, 1.0) for number in range(1, step.recipe.epochs + 1)))
        for seed, accuracy in enumerate(finals)
    ]


def test_a_claimed_goal_must_be_held_by_every_seed() -> None:
    step = step_of(goal=True, __doc__=PLAIN)
    judge(step, histories(step, 99.45, 99.41))
    with pytest.raises(
        AssertionError, match=r"claims the goal, but 1 of 2 runs held 99\.40 % in each of their final 3 epochs$"
    ):
        judge(step, histories(step, 99.45, 99.39))


def test_a_step_that_holds_in_most_runs_of_its_record_may_do_so_again(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/tiny")
    keep(step, {seed: ([99.0] * 6, [99.45 if seed < 17 else 99.38] * 6) for seed in range(20)})
    judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.45))
    keep(step, {seed: ([99.0] * 6, [99.45 if seed < 12 else 99.38] * 6) for seed in range(20)})
    with pytest.raises(AssertionError, match="is not expected to hold the goal, but 5 of 5"):
        judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.45))


def test_a_goal_must_be_claimed_within_fifteen_epochs() -> None:
    step = step_of(goal=True, recipe=Recipe(lr=0.1, batch_size=64, epochs=16), __doc__=PLAIN)
    with pytest.raises(AssertionError, match="claims the goal, to be held within 15 epochs, and trains for 16"):
        judge(step, histories(step, 99.45))


def test_a_published_claim_that_the_record_refutes_is_an_expected_failure_until_the_runs_hold() -> None:
    step = step_of(goal=True, claims={"in every run holds the goal": "refuted"}, __doc__=PLAIN)
    said = r"is said to hold the goal, which its record refutes: 4 of 5 runs held 99\.40 % in each of their final 3"
    with pytest.raises(RefutedError, match=said):
        judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.30))
    with pytest.raises(AssertionError, match="is not expected to hold the goal, but 5 of 5") as failure:
        judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.45))
    assert not isinstance(failure.value, RefutedError)
    judge(step, histories(step, 99.45))  # one lucky run


def test_a_miss_is_contradicted_by_five_of_five_and_not_by_a_lucky_run() -> None:
    step = step_of(__doc__=PLAIN)
    judge(step, histories(step, 99.45))
    judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.30))
    with pytest.raises(AssertionError, match="is not expected to hold the goal, but 5 of 5 runs held"):
        judge(step, histories(step, 99.45, 99.45, 99.45, 99.45, 99.45))


def test_a_published_accuracy_must_lie_where_one_more_run_would() -> None:
    step = step_of()
    judge(step, histories(step, 99.33, 99.28, 99.36))
    with pytest.raises(AssertionError, match="published best test accuracy 99.35 is outside"):
        judge(step, histories(step, 98.50, 98.53, 98.51))


def test_a_run_far_above_its_own_record_is_suspicious(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/tiny")
    keep(step, {seed: ([99.0] * 6, [accuracy] * 6) for seed, accuracy in enumerate((98.95, 99.0, 99.05))})
    # the binomial standard error at 99.00 is 0.0995: 99.00 + 4 x 0.0995 x sqrt(4 / 3) = 99.459
    judge(step, histories(step, 99.45))
    with pytest.raises(AssertionError, match=r"seed 1 reached 99.47 .* too good .* make 99.46 the most .* test images"):
        judge(step, histories(step, 99.0, 99.47))


def test_two_runs_are_no_reference(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/tiny")
    keep(step, {seed: ([99.0] * 6, [99.0] * 6) for seed in range(2)})
    judge(step, histories(step, 99.9))


def test_a_variant_is_the_step_with_another_recipe() -> None:
    step = find("expand_squeeze/s7_file3")
    varied = find("expand_squeeze/s7_file3@batch64")
    assert varied.recipe == replace(step.recipe, batch_size=64)
    assert (varied.id, varied.ladder, varied.follows) == ("expand_squeeze/s7_file3@batch64", "expand_squeeze", step.id)
    assert (varied.model, varied.parameters, varied.goal, varied.claims) == (step.model, step.parameters, False, {})
    assert (step.goal, step.recipe.batch_size) == (True, 128)
    assert record.path_of(varied) == record.path_of(step).with_name("s7_file3@batch64.json")
    assert published.read(varied) is None
    assert varied.id not in steps()
    assert find(varied.id) is varied


def test_other_processes_find_a_variant() -> None:
    varied = find("expand_squeeze/s7_file3@batch64")
    assert pickle.loads(pickle.dumps(varied)) is varied


def test_an_unknown_variant_is_refused_with_the_nearest() -> None:
    with pytest.raises(HarnessError, match=r"unknown step .*; nearest: expand_squeeze/s7_file3@batch64"):
        find("expand_squeeze/s7_file3@batch6")
    with pytest.raises(HarnessError, match="unknown step 'five_steps/step1@recipe'"):
        find("five_steps/step1@recipe")


@pytest.mark.parametrize("step_id", [step.id for step in steps().values() if step.variants])
def test_a_variant_changes_something_and_is_asked_for(step_id: str) -> None:
    step = find(step_id)
    claims = [claim for other in steps().values() for claim in other.claims]
    for name in step.variants:
        assert find(f"{step_id}@{name}").recipe != step.recipe
        assert any(f"{step_id}@{name} " in f"{claim} " for claim in claims)


def test_the_published_best_is_compared_with_bests_and_not_with_final_means() -> None:
    step = step_of()
    bests = enumerate((99.33, 99.28, 99.36))
    judge(
        step,
        [
            Run(step, seed, tuple(Epoch(n, 99.0, best if n == 2 else 98.0, 0.1, 1.0) for n in range(1, 5)))
            for seed, best in bests
        ],
    )
