"""The steps of all ladders, which are found: nothing is registered anywhere."""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

from harness.errors import ForeignError, HarnessError, foreign_call, nearest
from harness.step import Step

NOT_SEARCHED = {"build", "dist", "venv", "node_modules", "CVS", "_darcs"}
"""The folders that pytest passes by, of those whose names may be a ladder's: its `norecursedirs`."""


def steps() -> dict[str, type[Step]]:
    """All steps by id, "ladder/step": ladders sorted by name, the steps of a ladder in its order.

    The ladders are the subpackages of the package `spec`. Raises HarnessError if there is no such package, for a spec
    that cannot be imported, that pytest would not test or that `Step.check` refuses, for two specs with the same id,
    and for steps that follow each other in a circle.
    """
    package = _package()
    place = Path(package.__path__[0])
    for needed in (place, *sorted({file.parent for file in place.glob("*/test_[0-9]*_*.py")})):
        if not (needed / "__init__.py").exists():
            raise HarnessError(f"{needed} has no __init__.py, without which no step in it is found; add an empty one")
    found: dict[str, type[Step]] = {}
    ladders = (module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)
    for ladder in sorted(name for name in ladders if name != "harness"):  # has tests of the harness, no ladder
        folder = imported(f"spec.{ladder}")
        for name in sorted((module.name for module in pkgutil.iter_modules(folder.__path__)), key=_order):
            for step in _specs_in(f"spec.{ladder}.{name}"):
                if step.id in found:
                    raise HarnessError(
                        f"two specs have the id {step.id}: {found[step.id].__module__} and {step.__module__}; "
                        "give each step a file of its own"
                    )
                found[step.id] = step
    _check(tuple(found.values()))
    return found


def _order(name: str) -> tuple[int, str]:
    """What the modules of a ladder are sorted by: the number of a step, whether it has zeros in front or not."""
    number = re.match(r"test_([0-9]+)_", name)
    return int(number[1]) if number else 0, name


def none_yet() -> HarnessError:
    """The error of a verb that needs a step, where there is none."""
    return HarnessError(f"{root() / 'spec'} has no step yet; make one: python -m harness new ./LADDER STEP")


@lru_cache(maxsize=1)  # the same classes are not checked again: whoever finds one step lists them all
def _check(known: tuple[type[Step], ...]) -> None:
    """Raise HarnessError if a step is not whole, or if steps follow or teach each other in a circle, without an end."""
    for step in known:
        step.check()
    try:
        TopologicalSorter({one.id: one.builds_on() for step in known for one in step.with_variants()}).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise HarnessError(
            f"steps follow or learn from each other in a circle, {circle}; correct follows or the teacher of one"
        ) from None


def root() -> Path:
    """The folder of the project: that which the package `spec` is in, with README, docs and models beside it."""
    return Path(_package().__path__[0]).resolve().parent


def _package() -> ModuleType:
    """The package `spec`."""
    package = imported("spec")
    if not hasattr(package, "__path__"):
        raise HarnessError(f"{package.__file__} stands in for the folder spec/; give the file another name")
    return package


def imported(name: str) -> ModuleType:
    """A module or package of specs; HarnessError if it cannot be imported, in words for where there is no project."""
    try:
        with foreign_call("its import", name):
            return importlib.import_module(name)
    except ForeignError as error:
        if getattr(error.__cause__, "name", None) != "spec":
            raise
        if sys.flags.safe_path and Path("spec").is_dir():
            raise HarnessError(
                "the folder spec/ is here, but Python was told not to look here, by -P, -I or PYTHONSAFEPATH; use the "
                "command mnist-ladders, which does"
            ) from error
        raise HarnessError(
            "no steps are here, as there is no folder spec/; go to a project, or make one: python -m harness new DIR"
        ) from error


def _specs_in(module_name: str) -> list[type[Step]]:
    if module_name.endswith(".candidates"):
        return []  # those of `harness search`
    module = imported(module_name)
    specs = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Step) and value.__module__ == module_name
    ]
    if specs and not re.search(r"\.test_\d+_\w+$", module_name):
        raise HarnessError(f"{module_name} holds a spec; name its file test_<nn>_<step>.py")
    if specs and module_name.split(".")[1] in NOT_SEARCHED:
        raise HarnessError(
            f"{module_name} holds a spec, and pytest searches no folder of that name; give it another name"
        )
    for spec in specs:
        if not _is_tested(spec):
            raise HarnessError(
                f"pytest would not test {module_name}.{spec.__name__}; let it be a StepSpec whose name begins with "
                "Test, with the test_rules that it inherits and no __init__ or __test__ of its own"
            )
    return specs


def _is_tested(spec: type[Step]) -> bool:
    """Whether pytest collects a class of a spec file, with the rules of its ladder among its tests."""
    collected = spec.__name__.startswith("Test") and getattr(spec, "__test__", True)
    plain = spec.__init__ is object.__init__ and spec.__new__ is object.__new__
    return bool(collected and plain and getattr(spec, "test_rules", None))


def find(step_id: str) -> type[Step]:
    """The step, or the variant of one, with this id; HarnessError names the nearest ids if there is none."""
    known = steps()
    base, _, variant = step_id.partition("@")
    if step_id in known:
        return known[step_id]
    if base in known and variant in known[base].variants:
        found: type[Step] = getattr(known[base], variant)
        return found
    raise HarnessError(f"unknown step {step_id!r}; {nearest(step_id, with_variants(known))}")


def with_variants(known: Mapping[str, type[Step]]) -> list[str]:
    """The ids of steps, each followed by those of its variants."""
    return [one.id for step in known.values() for one in step.with_variants()]


def ancestors(step: type[Step]) -> list[str]:
    """The ids of the steps that a step follows, from the one before it to the first of all."""
    return [step.follows, *ancestors(find(step.follows))] if step.follows else []
