"""The rules that a ladder states in spec/<ladder>/__init__.py, and what in it breaks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from harness.discovery import ancestors, imported
from harness.errors import HarnessError
from harness.recipe.checks import Range, checked, shown
from harness.step import Step

Number = Annotated[int, Range(least=0)]


@checked
@dataclass(frozen=True)
class AtLeast:
    """A rule: n or more."""

    n: Number

    def allows(self, n: int) -> bool:
        """Whether a number keeps the rule."""
        return n >= self.n


@checked
@dataclass(frozen=True)
class AtMost:
    """A rule: n or fewer."""

    n: Number

    def allows(self, n: int) -> bool:
        """Whether a number keeps the rule."""
        return n <= self.n


@checked
@dataclass(frozen=True)
class Exactly:
    """A rule: n."""

    n: Number

    def allows(self, n: int) -> bool:
        """Whether a number keeps the rule."""
        return n == self.n


Rule = AtLeast | AtMost | Exactly
ANY = AtLeast(0)


@checked
@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a ladder allows: how many steps, counted along each branch, and how many epochs and parameters.

    Epochs and parameters are those of each step that ends a branch or claims the goal. A branch ends in a step that no
    other follows or learns from, so a teacher may have any size. `branches` are tighter rules for the parameters of
    some of these steps, by their ids. A number alone is the least of steps, and the most of epochs and parameters.

    `broken` names the rules that a published ladder states and breaks: exactly these must be broken.
    """

    steps: Rule | Number = ANY
    epochs: Rule | Number = ANY
    parameters: Rule | Number = ANY
    branches: Mapping[str, Rule | Number] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()


def rules(ladder: str) -> Rules:
    """The rules of a ladder, RULES in its package; none if it states none. HarnessError if RULES is something else."""
    found = getattr(imported(f"spec.{ladder}"), "RULES", Rules())
    if not isinstance(found, Rules):
        raise HarnessError(f"RULES in spec/{ladder}/__init__.py must be Rules(...), not {shown(found)}")
    return found


def ends(of_ladder: Sequence[type[Step]]) -> list[type[Step]]:
    """The steps of a ladder that no other of it follows or learns from: one per branch."""
    followed = {before for step in of_ladder for before in step.builds_on()}
    return [step for step in of_ladder if step.id not in followed]


def judged(of_ladder: Sequence[type[Step]]) -> list[type[Step]]:
    """The steps of a ladder whose epochs and parameters are ruled: those that end a branch or claim the goal."""
    last = ends(of_ladder)
    return [step for step in of_ladder if step in last or step.goal]


def broken(rules: Rules, of_ladder: Sequence[type[Step]]) -> dict[str, list[str]]:
    """What breaks each rule that the steps of a ladder do not keep."""
    last, ruled = ends(of_ladder), judged(of_ladder)
    steps, epochs = _rule(rules.steps, AtLeast), _rule(rules.epochs, AtMost)
    found = {
        "steps": [f"{step.id} is step {n}" for step in last if not steps.allows(n := _place(step))],
        "epochs": [f"{step.id} trains for {n} epochs" for step in ruled if not epochs.allows(n := step.recipe.epochs)],
        "parameters": [
            f"{step.id} has {step.parameters:,} parameters"
            for step in ruled
            if not all(
                _rule(rule, AtMost).allows(step.parameters)
                for rule in (rules.parameters, rules.branches.get(step.id, rules.parameters))
            )
        ],
    }
    return {rule: what for rule, what in found.items() if what}


def _rule(value: Rule | int, alone: type[AtLeast | AtMost]) -> Rule:
    """A rule, also from a number alone."""
    return alone(value) if isinstance(value, int) else value


def _place(step: type[Step]) -> int:
    """How many steps of its ladder there are up to this one, itself included."""
    return 1 + sum(one.startswith(f"{step.ladder}/") for one in ancestors(step))
