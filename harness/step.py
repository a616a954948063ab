"""The unit of a ladder: what one step declares, and nothing more. Imports no torch."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_type_hints

from harness import docstring
from harness.errors import HarnessError
from harness.recipe import Recipe
from harness.recipe.checks import allows, described, shown

if TYPE_CHECKING:
    from torch import nn

TEST_IMAGES = 10_000
GOAL = 99.40  # percent of the test images
GOAL_EPOCHS = 15
"""The most epochs in which a step that claims the goal may reach it."""
HOLDS_GOAL = "in every run holds the goal"
"""The claim of a step whose authors say that it holds the goal."""
HEAVY = 150_000
"""Parameters above which a run takes about an hour on one core, or more."""
PLANNED, PLANNED_FOR_GOAL, PLANNED_FOR_HEAVY = 10, 20, 3
"""How many runs decide the claims about a step, whatever those that there are show: see docs/verdicts.md."""


class Step:
    """What one step of a ladder declares, in spec/<ladder>/test_<nn>_<step>.py.

    The path of the file gives the id "<ladder>/<step>" and, with `<nn>`, the order of the steps. The docstring has a
    title and the sections Target, Result and Analysis.
    """

    model: "ClassVar[Callable[[], nn.Module]]"
    """Called without arguments, gives a network from N x 1 x 28 x 28 images to N x 10 logits or log-probabilities."""
    parameters: ClassVar[int]
    """The number of trainable parameters, written by hand."""
    receptive_field: ClassVar[int]
    """The side in pixels of the field of an output, written by hand; global pooling counts as a kernel of its map."""
    recipe: ClassVar[Recipe]
    follows: ClassVar[str | None] = None
    """The id of the step that this one changes; None for the first of a ladder."""
    goal: ClassVar[bool] = False
    """Whether the step, or whoever published it, claims that 99.40 % is held over the final epochs."""
    final_epochs: ClassVar[int] = 3
    """Over how many of the last epochs the goal is held, and accuracies are averaged."""
    claims: ClassVar[dict[str, str]] = {}
    """The verdict on each claim of the Analysis: supported, refuted or undecided; see `harness.claims`."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Changes of the recipe by name, which an Analysis asks for and no step makes. Each is a step beside the ladder: it
    is trained and recorded as `<ladder>/<step>@<name>`, and claims may be about it."""

    id: ClassVar[str]
    ladder: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[Path]
    """The file that defines the step."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.source = Path(inspect.getfile(cls))
        cls.ladder = cls.source.parent.name
        named = re.fullmatch(r"test_[0-9]+_(.+)", cls.source.stem)
        cls.id = f"{cls.ladder}/{named[1] if named else cls.__name__}"  # candidates of a search share a file
        cls.title = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0].rstrip(".")
        # What is no variant is left to `check`: a class that cannot be made would not say which step it is.
        if allows(_kinds()["variants"], cls.variants) and isinstance(getattr(cls, "recipe", None), Recipe):
            for name in filter(_names_variant, cls.variants):
                # As an attribute, under which other processes find it.
                setattr(cls, name, cls._varied(name, cls.variants[name]))

    @classmethod
    def _varied(cls, name: str, change: Mapping[str, Any]) -> "type[Step]":
        """The step with some settings of its recipe replaced."""
        own = {"recipe": replace(cls.recipe, **change), "follows": cls.id, "goal": False, "claims": {}, "variants": {}}
        same = {"__doc__": cls.__doc__, "__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{name}"}
        varied: type[Step] = type(name, (cls,), own | same)
        varied.id, varied.ladder, varied.source = f"{cls.id}@{name}", cls.ladder, cls.source
        varied.title = f"{cls.title}, with {', '.join(f'{field} {value}' for field, value in change.items())}"
        return varied

    @classmethod
    def check(cls) -> None:
        """Raise HarnessError if the step leaves out what it has to say, or says what its annotation does not allow.

        Not when the class is made: a base of several steps need not say everything.
        """
        for name, kind in _kinds().items():
            if not hasattr(cls, name):
                raise HarnessError(f"{cls.id} says no {name}; give it {described(kind)}")
            if not allows(kind, value := getattr(cls, name)):
                raise HarnessError(f"{cls.id}: {name} must be {described(kind)}, not {shown(value)}")
        if hasattr(cls.model, "named_modules") and not inspect.isclass(cls.model):
            raise HarnessError(f"{cls.id}: model must be a class or a function, not a network; leave out the ()")
        if not 1 <= cls.final_epochs <= cls.recipe.epochs:
            raise HarnessError(
                f"{cls.id}: final_epochs must be at least 1 and at most {cls.recipe.epochs}, the epochs of its recipe, "
                f"not {cls.final_epochs}"
            )
        for name in cls.variants:
            if not _names_variant(name):
                raise HarnessError(
                    f"{cls.id}: {name!r} names no variant; use letters, digits and _, and no name that a step has "
                    "already or that begins with test"
                )
            getattr(cls, name).check()

    @classmethod
    def network(cls) -> "nn.Module":
        """A new network; HarnessError if `model` does not return one."""
        from harness.network import new_network

        return new_network(cls.model, cls.id)

    @classmethod
    def with_variants(cls) -> "list[type[Step]]":
        """The step, and its variants."""
        return [cls, *(getattr(cls, name) for name in cls.variants)]

    @classmethod
    def file_in(cls, folder: str, suffix: str) -> Path:
        """Where something of the step is in a folder beside its spec, whether it exists or not."""
        return cls.source.parent / folder / f"{cls.id.partition('/')[2]}{suffix}"

    @classmethod
    def builds_on(cls) -> list[str]:
        """The ids of what the step follows and of what it learns from."""
        teacher = cls.recipe.teacher
        return [one for one in (cls.follows, teacher.step if teacher else None) if one is not None]

    @classmethod
    def goal_is_refuted(cls) -> bool:
        """Whether the step is said to hold the goal, and its record shows that it does not."""
        return cls.claims.get(HOLDS_GOAL) == "refuted"

    @classmethod
    def planned_runs(cls) -> int:
        """How many runs decide the claims about the step."""
        if cls.goal:
            return PLANNED_FOR_GOAL
        return PLANNED_FOR_HEAVY if cls.parameters > HEAVY else PLANNED

    @classmethod
    def document(cls) -> docstring.Docstring:
        """The parsed docstring; HarnessError if a section is missing."""
        return docstring.parse(cls.__doc__, cls.id)


@cache
def _kinds() -> dict[str, Any]:
    """What may be said of a step, by the name of the attribute. What `model` gives is not looked at, without torch."""
    hints = get_type_hints(Step, localns={"nn": SimpleNamespace(Module=object)}, include_extras=True)
    return {name: get_args(hint)[0] for name, hint in hints.items()}


def _names_variant(name: str) -> bool:
    """Whether an attribute of this name may hold a variant: it hides no other, and pytest takes it for no test."""
    taken = name in _kinds() or hasattr(Step, name) or name.lower().startswith("test")
    return name.isidentifier() and not taken
