"""What overturns a recorded verdict, and runs that are no evidence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from harness import Recipe, StepSpec
from harness.evidence import record
from harness.provenance import fingerprint
from harness.step import Step
from spec.harness.claims.two_steps import RISING, TRAINED, Bare, six
from spec.harness.claims.two_steps import pair as pair
from spec.harness.evidence.records_of import keep, list_checksums, step_with


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[dict[str, str]], StepSpec]:
    """A spec that claims to over-fit, with the verdicts that a test says it records."""

    def make(recorded: dict[str, str]) -> StepSpec:
        step = step_with(
            tmp_path, "mine/a", "- It over-fits. [claim: on average over-fits]", claims=recorded, model=Bare
        )
        keep(step, six(TRAINED, RISING), fingerprint=fingerprint(step))
        list_checksums(step)
        return step()

    return make


def test_evidence_that_overturns_a_verdict_fails_and_says_what_to_do(
    spec: Callable[[dict[str, str]], StepSpec],
) -> None:
    spec({"on average over-fits": "supported"}).test_claims()
    overturned = (
        r"mine/a: of .on average over-fits. the spec records refuted, the evidence says supported \(0.367 .* n = 6.*\);"
        " see whether the sentence is still right, then write this down with: pytest --update-records"
    )
    with pytest.raises(AssertionError, match=overturned):
        spec({"on average over-fits": "refuted"}).test_claims()
    with pytest.raises(AssertionError, match="the spec records nothing, the evidence says supported"):
        spec({}).test_claims()
    with pytest.raises(AssertionError, match="claims names 'in some runs reaches 99', which no sentence"):
        spec({"on average over-fits": "supported", "in some runs reaches 99": "refuted"}).test_claims()


@pytest.mark.parametrize(
    ("of", "change"),
    [
        ("mine/a", {"recipe": Recipe(lr=0.2, batch_size=64, epochs=6)}),
        ("mine/a", {"model": lambda: nn.Sequential(nn.Conv2d(1, 10, 5), nn.Flatten())}),
        ("mine/a@large", {"variants": {"large": {"batch_size": 128}}}),
    ],
    ids=["recipe", "network", "variant"],
)
def test_runs_of_another_network_or_recipe_are_no_evidence(tmp_path: Path, of: str, change: dict[str, object]) -> None:
    def both(**attributes: object) -> tuple[type[StepSpec], type[Step]]:
        """A step and its variant."""
        step = step_with(tmp_path, "mine/a", "- It is small. [judgement: taste]", **attributes)
        variant: type[Step] = step.__dict__["large"]
        variant.id, variant.source = "mine/a@large", step.source
        return step, variant

    said = {"variants": {"large": {"batch_size": 32}}, "model": Bare, "claims": {}}
    before = both(**said)
    for step in before:
        keep(step, six(TRAINED, RISING), fingerprint=fingerprint(step))
    list_checksums(before[0])
    before[0]().test_claims()
    again = f"take the change back, or train it again with: .* train {of} --seed 0 1 2 3 4 5 --record --replace"
    with pytest.raises(AssertionError, match=rf"\.json is of another network or recipe than {of} has now; {again}"):
        both(**said | change)[0]().test_claims()


def test_runs_that_are_cut_short_are_no_evidence(spec: Callable[[dict[str, str]], StepSpec]) -> None:
    step = spec({"on average over-fits": "supported"})
    path = record.path_of(type(step))
    made = json.loads(path.read_text())
    made["runs"][3]["epochs"].pop()
    path.write_text(json.dumps(made))
    with pytest.raises(AssertionError, match=r"a\.json is of another network or recipe than mine/a has now"):
        step.test_claims()
