"""What holds for a ladder as a whole: the rules it sets itself, declared in spec/<ladder>/__init__.py."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of a ladder: at least so many steps, at most so many parameters and epochs in its last step.

    The last is what no other follows or learns from: a step that is there to teach may be as large as it likes. Without
    a limit of parameters, each step claims its own.

    `broken` names the rules that a published ladder sets itself and does not keep; a rule named there must in fact be
    broken, and any other must hold.
    """

    steps: int
    epochs: int
    parameters: int | None = None
    broken: frozenset[str] = frozenset()
