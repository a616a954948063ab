"""Every ladder has its ids, follows its rules, and has steps that say what they change."""

import re
from collections import Counter
from typing import Any

import pytest
import torch

from harness import steps
from harness.discovery import find
from harness.evidence.facts import difference, layers
from harness.ladder import ANY, AtLeast, AtMost, Exactly, Rule, Rules, broken, ends, rules
from harness.step import HOLDS_GOAL, Step
from harness.step_spec import StepSpec
from spec.harness.support.paths import ROOT

PARAMETERS = {
    "discover/skeleton": 9_902,
    "discover/10k_no_fc": 9_060,
    "discover/10k_dropout": 9_060,
    "discover/10k_augment": 9_060,
    "discover/10k_lr": 9_060,
    "discover/8k_reduce": 7_826,
    "discover/8k_dropout": 7_826,
    "discover/8k_augment": 7_826,
    "discover/8k_lr": 7_826,
    "expand_squeeze/s7_file1": 8_000,
    "expand_squeeze/s7_file2": 8_000,
    "expand_squeeze/s7_file3": 8_000,
    "five_steps/step1": 15_530,
    "five_steps/step2": 8_962,
    "five_steps/step3": 9_142,
    "five_steps/step4": 9_142,
    "five_steps/step5": 9_142,
    "four_steps/step1": 992_800,
    "four_steps/step2": 9_712,
    "four_steps/step3": 9_904,
    "four_steps/step4": 9_904,
    "s5/code1": 6_379_786,
    "s5/code2": 194_884,
    "s5/code3": 10_790,
    "s5/code4": 10_970,
    "s5/code5": 10_970,
    "s5/code6": 6_070,
    "s5/code7": 11_994,
    "s5/code8": 13_808,
    "s5/code9": 13_808,
    "s5/code10": 13_808,
}
PUBLISHED = {step_id.partition("/")[0] for step_id in PARAMETERS}

STEPS = steps()
LADDERS = sorted({step.ladder for step in STEPS.values()})
FOLLOWING = [step_id for step_id, step in STEPS.items() if step.follows]

WORDS = {
    "Conv2d": r"convolution|kernel|channel|parameter|layer|capacity|width",
    "BatchNorm2d": r"batch normali[sz]ation",
    "ReLU": r"\bReLU\b",
    "Dropout": r"dropout",
    "MaxPool2d": r"max-pool",
    "GlobalAverage": r"global average",
    "Linear": r"fully connected",
    "lr": r"learning rate",
    "batch_size": r"\bbatch(es)?\b(?! normali)",
    "epochs": r"\bepochs\b",
    "schedule": r"learning rate",
    "augmentation": r"rotation|rotate|augment",
    "normalize": r"statistics",
    "average": r"average",
}
"""How prose names a change of a kind of layer or of a field of the recipe; any other field has its own name."""


def ladder(name: str) -> list[type[Step]]:
    """The steps of a ladder, in order."""
    return [step for step in STEPS.values() if step.ladder == name]


def changes(before: type[Step], after: type[Step]) -> set[str]:
    """The kinds of layers and the fields of the recipe that differ, as keys of WORDS.

    Layers that come and go with a convolution count only if their number changes.
    """
    lines = difference(before, after)
    kinds = {match[1] for line in lines if (match := re.match(r"[-+] (\w+)\(", line))} & WORDS.keys()
    kinds |= {match[1] for line in lines if (match := re.match(r"(\w+)[.\w]*: ", line))}
    if "Conv2d" in kinds:
        old, new = (Counter(layer.partition("(")[0] for layer in layers(step.model())) for step in (before, after))
        kinds -= {"ReLU"} | {kind for kind in ("BatchNorm2d", "Dropout") if old[kind] == new[kind]}
    return kinds


def test_the_published_steps_are_there_in_order() -> None:
    assert [step_id for step_id, step in STEPS.items() if step.ladder in PUBLISHED] == list(PARAMETERS)


@pytest.mark.parametrize("step_id", PARAMETERS)
def test_parameters_are_the_published_ones(step_id: str) -> None:
    assert STEPS[step_id].parameters == PARAMETERS[step_id]


# As the published texts have them: the number of steps, epochs and parameters, and what their own steps do not keep.
STATED = {
    "discover": ([Exactly(6), AtMost(14), AtMost(9_999)], {"steps"}),
    "expand_squeeze": ([ANY, AtMost(14), AtMost(7_999)], {"epochs", "parameters"}),
    "five_steps": ([AtLeast(5), AtMost(15), AtMost(9_999)], set[str]()),
    "four_steps": ([Exactly(4), AtMost(15), AtMost(9_999)], set[str]()),
    "s5": ([Exactly(10), AtMost(20), AtMost(19_999)], set[str]()),
}


@pytest.mark.parametrize("name", STATED)
def test_the_rules_of_a_published_ladder_are_those_of_its_text(name: str) -> None:
    stated = rules(name)
    assert ([stated.steps, stated.epochs, stated.parameters], set(stated.broken)) == STATED[name]
    assert stated.branches == ({"discover/8k_lr": AtMost(7_999)} if name == "discover" else {})


@pytest.mark.parametrize(
    ("rule", "allowed"), [(AtLeast(2), {2, 3}), (AtMost(2), {1, 2}), (Exactly(2), {2}), (ANY, {1, 2, 3})]
)
def test_a_rule_allows_what_it_says(rule: Rule, allowed: set[int]) -> None:
    assert {n for n in (1, 2, 3) if rule.allows(n)} == allowed


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (Rules(), set()),
        (Rules(parameters=AtMost(9_059)), {"parameters"}),
        (Rules(parameters=AtMost(9_060), branches={"discover/10k_lr": AtMost(9_059)}), {"parameters"}),
        (Rules(parameters=AtMost(9_060), branches={"discover/8k_lr": AtMost(7_825)}), {"parameters"}),
        (Rules(epochs=AtMost(13)), {"epochs"}),
        (Rules(steps=Exactly(5)), set()),
        (Rules(steps=AtLeast(6)), {"steps"}),
        (Rules(steps=5, epochs=14, parameters=9_060), set()),
        (Rules(steps=6, epochs=13, parameters=9_059), {"steps", "epochs", "parameters"}),
    ],
)
def test_a_rule_that_is_broken_is_noticed(stated: Rules, found: set[str]) -> None:
    assert [step.id for step in ends(ladder("discover"))] == ["discover/10k_lr", "discover/8k_lr"]
    assert broken(stated, ladder("discover")).keys() == found


def test_what_breaks_a_rule_is_named() -> None:
    rules = Rules(parameters=AtMost(9_059), branches={"discover/10k_lr": AtMost(9_058)})
    assert broken(rules, ladder("discover")) == {"parameters": ["discover/10k_lr has 9,060 parameters"]}
    found = broken(Rules(epochs=AtMost(13), steps=Exactly(5), parameters=AtMost(8_000)), ladder("discover"))
    assert found == {
        "epochs": ["discover/10k_lr trains for 14 epochs", "discover/8k_lr trains for 14 epochs"],
        "parameters": ["discover/10k_lr has 9,060 parameters"],
    }


CLAIMING = ["discover/10k_lr", "discover/8k_lr", "expand_squeeze/s7_file3", "four_steps/step4"]
"""The published steps that somebody says hold the goal: see finding 1 of the README."""


def test_the_steps_whose_authors_claim_the_goal_are_known() -> None:
    assert [step.id for step in STEPS.values() if step.goal and step.ladder in PUBLISHED] == CLAIMING
    claiming = [step.id for step in STEPS.values() if step.goal or HOLDS_GOAL in step.claims]
    assert claiming == [*CLAIMING, *(f"frontier/step{n}" for n in (6, 10, 11, 12, 13))]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cited = re.findall(rf"<!-- (\w+/\w+): {HOLDS_GOAL} -->", readme)
    assert sorted(cited) == sorted([*CLAIMING, "frontier/step12"])


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_begins_once_and_stays_within_itself(name: str) -> None:
    first, *rest = ladder(name)
    assert first.follows is None
    before = [first.id]
    for step in rest:
        assert step.follows in before
        before.append(step.id)


@pytest.mark.parametrize("step_id", STEPS)
def test_the_output_is_log_probabilities(step_id: str) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        output = STEPS[step_id].model().eval()(torch.randn(3, 1, 28, 28))
    assert output.shape == (3, 10)
    torch.testing.assert_close(output.exp().sum(dim=1), torch.ones(3))


@pytest.mark.parametrize("step_id", FOLLOWING)
def test_a_step_names_what_it_changes(step_id: str) -> None:
    """In its title, its Target, or the point of its prose that begins "More than its target changes"."""
    step = STEPS[step_id]
    document = step.document()
    prose = f"{document.analysis}\n{document.notes}"
    points = [" ".join(point.split()) for point in re.split(r"^- ", prose, flags=re.MULTILINE)]
    more = " ".join(point for point in points if point.startswith("More than its target changes"))
    text = " ".join([step.title, *document.target.split(), more])
    changed = changes(find(str(step.follows)), step)
    patterns = {change: WORDS.get(change, change.replace("_", " ")) for change in changed}
    missing = {change for change, pattern in patterns.items() if not re.search(pattern, text, re.IGNORECASE)}
    assert not missing, f"{step_id} changes {', '.join(sorted(missing))} without saying so"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 15.0}, "Rules.epochs must be AtLeast, AtMost, Exactly or a whole number of at least 0, not 15.0"),
        (
            {"parameters": "9999"},
            "Rules.parameters must be AtLeast, AtMost, Exactly or a whole number of at least 0, not '9999'",
        ),
        ({"steps": None}, "Rules.steps must be AtLeast, AtMost, Exactly or a whole number of at least 0, not None"),
        ({"broken": "epochs"}, r"Rules.broken must be frozenset\[str\], not 'epochs'"),
        ({"branches": [1]}, "Rules.branches must be a dict from a text to AtLeast, .* of at least 0, not "),
        ({"branches": {"mine/tiny": "3"}}, "Rules.branches must be a dict .* of at least 0, not {'mine/tiny': '3'}"),
        ({"broken": frozenset({1})}, r"Rules.broken must be frozenset\[str\], not frozenset\(\{1\}\)"),
        ({"epochs": -1}, "Rules.epochs must be .* or a whole number of at least 0, not -1"),
        ({"parameter": 9}, "Rules has no argument 'parameter'; nearest: parameters"),
    ],
)
def test_a_rule_of_another_type_is_refused_where_it_is_written(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Rules(**wrong)


def test_a_rule_is_about_a_whole_number() -> None:
    for wrong, shown in (("9", "'9'"), (-1, "-1")):
        with pytest.raises(ValueError, match=f"^AtMost.n must be a whole number of at least 0, not {shown}$"):
            AtMost(wrong)  # type: ignore[arg-type]


def test_steps_of_another_ladder_are_none_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    last = STEPS["four_steps/step4"]
    alone: type[Step] = type("Alone", (StepSpec,), {"__module__": __name__, "model": last.model, "recipe": last.recipe})
    alone.id, alone.ladder, alone.follows, alone.parameters = "mine/alone", "mine", last.id, 1
    assert broken(Rules(steps=Exactly(1)), [alone]) == {}
    assert list(broken(Rules(steps=Exactly(5)), [alone])) == ["steps"]
