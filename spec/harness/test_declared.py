"""What a step declares is checked before anything is done with it, and the line that says so names the step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from harness import Recipe
from harness.errors import HarnessError
from harness.step import Step
from spec.harness.evidence.records_of import step_with

RECIPE = Recipe(lr=0.1, batch_size=64, epochs=6)
WHOLE: dict[str, Any] = {"model": nn.Flatten, "receptive_field": 28}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"model": staticmethod(lambda: nn.Flatten())},
        {"final_epochs": 1},
        {"final_epochs": 6},
        {"follows": "mine/first", "goal": True, "claims": {"has no relu": "supported"}},
        {"variants": {"batch32": {"batch_size": 32}}},
    ],
)
def test_a_step_may_say_what_its_annotations_allow(tmp_path: Path, own: dict[str, Any]) -> None:
    step_with(tmp_path, "mine/tiny", **WHOLE | own).check()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"parameters": "410"}, "parameters must be a whole number, not '410'"),
        ({"parameters": 410.0}, "parameters must be a whole number, not 410.0"),
        ({"parameters": property(len)}, "parameters must be a whole number, not <property object"),
        ({"receptive_field": None}, "receptive_field must be a whole number, not None"),
        ({"recipe": None}, "recipe must be Recipe, not None"),
        ({"recipe": {"lr": 0.1}}, "recipe must be Recipe, not {'lr': 0.1}"),
        ({"model": "Network"}, "model must be a class or a function, not 'Network'"),
        ({"model": nn.Flatten()}, "model must be a class or a function, not a network; leave out the ()"),
        ({"follows": nn.Flatten}, "follows must be a text or None, not <class"),
        ({"goal": "no"}, "goal must be True or False, not 'no'"),
        ({"claims": None}, "claims must be a dict from a text to a text, not None"),
        ({"claims": {"has no relu": True}}, "claims must be a dict from a text to a text, not {'has no relu': True}"),
        ({"final_epochs": "1"}, "final_epochs must be a whole number, not '1'"),
        ({"final_epochs": 0}, "final_epochs must be at least 1 and at most 6, the epochs of its recipe, not 0"),
        ({"final_epochs": -1}, "final_epochs must be at least 1 and at most 6, the epochs of its recipe, not -1"),
        ({"final_epochs": 7}, "final_epochs must be at least 1 and at most 6, the epochs of its recipe, not 7"),
        ({"variants": ["a"]}, "variants must be a dict from a text to a dict from a text to anything, not ['a']"),
        (
            {"variants": {"recipe": {"lr": 1.0}}},
            "'recipe' names no variant; use letters, digits and _, and no name that",
        ),
        ({"variants": {"network": {}}}, "'network' names no variant"),
        ({"variants": {"test_rules": {}}}, "'test_rules' names no variant"),
        ({"variants": {"TestMore": {}}}, "'TestMore' names no variant"),
        ({"variants": {"batch-32": {}}}, "'batch-32' names no variant"),
    ],
)
def test_anything_else_is_refused_in_a_line_that_names_the_step(
    tmp_path: Path, own: dict[str, Any], message: str
) -> None:
    step = step_with(tmp_path, "mine/tiny", **WHOLE | own)
    with pytest.raises(HarnessError) as error:
        step.check()
    assert str(error.value).startswith(f"mine/tiny: {message}")


@pytest.mark.parametrize("missing", ["model", "receptive_field"])
def test_what_a_step_leaves_out_is_named(tmp_path: Path, missing: str) -> None:
    own = {name: value for name, value in WHOLE.items() if name != missing}
    with pytest.raises(HarnessError, match=f"^mine/tiny says no {missing}; give it a "):
        step_with(tmp_path, "mine/tiny", **own).check()


def test_a_name_that_a_variant_may_not_have_hides_no_attribute(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/tiny", **WHOLE, variants={"recipe": {"lr": 1.0}, "claims": {}})
    assert (step.recipe, step.claims) == (RECIPE, {})


def test_a_variant_is_checked_as_its_step_is(tmp_path: Path) -> None:
    step = step_with(tmp_path, "mine/tiny", **WHOLE, final_epochs=5, variants={"short": {"epochs": 4}})
    with pytest.raises(HarnessError, match="@short: final_epochs must be at least 1 and at most 4, "):
        step.check()


def test_a_step_has_the_variants_of_its_base_as_its_own() -> None:
    base = type("Base", (Step,), {"__module__": __name__, "variants": {"batch32": {"batch_size": 32}}})
    first, second = (
        type("Test", (base,), {"__module__": __name__, "recipe": replace(RECIPE, lr=lr)}) for lr in (0.1, 0.2)
    )
    assert [step.batch32.recipe.lr for step in (first, second)] == [0.1, 0.2]  # type: ignore[attr-defined]
