"""Ladders: the rules that each sets itself in spec/<ladder>/__init__.py, and the steps of all of them."""

import difflib
import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.step import Step


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


def steps() -> dict[str, type[Step]]:
    """Every step by its id "ladder/step": ladders by name, the steps of a ladder in order.

    The ladders are the sub-packages of the package `spec`. Raises HarnessError for a spec that cannot be imported, a
    spec file that is not named test_<nn>_<step>.py, and two specs with one id.
    """
    package = importlib.import_module("spec")
    found: dict[str, type[Step]] = {}
    for ladder in sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg):
        folder = importlib.import_module(f"spec.{ladder}")
        for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
            for step in _specs_in(f"spec.{ladder}.{name}"):
                if step.id in found:
                    raise HarnessError(
                        f"two specs have the id {step.id}: {found[step.id].__module__} and {step.__module__}; "
                        "give each step a file of its own"
                    )
                found[step.id] = step
    return found


def _specs_in(module_name: str) -> list[type[Step]]:
    if module_name.startswith("spec.harness.") or module_name.endswith(".candidates"):
        return []  # tests of the harness, which make specs of their own, and what `harness search` tries
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the file of a user raises while it is imported
        raise HarnessError(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    specs = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Step) and value.__module__ == module_name
    ]
    if specs and not re.search(r"\.test_\d+_\w+$", module_name):
        raise HarnessError(f"{module_name} holds a spec; name its file test_<nn>_<step>.py")
    return specs


def find(step_id: str) -> type[Step]:
    """The step with that id; HarnessError names the nearest ones if there is none."""
    known = steps()
    if step_id in known:
        return known[step_id]
    raise HarnessError(f"unknown step {step_id!r}; {nearest(step_id, list(known))}")


def nearest(word: str, known: list[str]) -> str:
    """A phrase that names the known words nearest to one that is not known."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4) or known[:3]
    return f"nearest: {', '.join(close)}" if close else "none are known"
