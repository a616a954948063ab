"""Variants: the recipe of a step with a change that a sentence asks for."""

import pickle
import re
from dataclasses import replace

import pytest

from harness import steps
from harness.__main__ import main
from harness.discovery import find
from harness.errors import HarnessError
from harness.evidence import published, record


def test_a_variant_is_shown_with_its_own_figures_and_without_the_prose_of_its_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "expand_squeeze/s7_file3@batch64"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    n = len(record.runs(find("expand_squeeze/s7_file3@batch64")))
    assert re.match(rf"99\.\d\d \[.*\] over the final 3 epochs of {n} seeds, ", lines[lines.index("Measured") + 1])
    assert not {"Target", "Result", "Analysis", "Notes", "Claims"} & set(lines)
    assert "Changed since expand_squeeze/s7_file3" in lines


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
