"""From the words of a user to something that builds a network."""

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from harness.discovery import find
from harness.errors import HarnessError, foreign_call, nearest
from harness.network import new_network
from harness.review import source
from harness.review.module import module_of

FORMS = "file.py:Class, notebook.ipynb:Class, package.module:Class or the id of a step"
Arguments = tuple[list[Any], dict[str, Any]]


def load(target: str, image: Sequence[int] = (1, 28, 28)) -> Callable[[], nn.Module]:
    """What builds the network that a target names, called without arguments, for images of that size.

    A target is `file.py:Class`, `notebook.ipynb:Class`, `package.module:Class` or the id of a step. Of a file only the
    statements that define the class and what it needs are run. A file with a single network needs no class. Behind the
    class may stand arguments, as in `file.py:Class(16, dropout=0.1)`.

    Raises HarnessError if the target names nothing, or if the code behind it fails.
    """
    path, called = parted(target)
    name, arguments = _arguments(called)
    if is_file(path):
        return builder(value_in(Path(path), name), target, arguments, image)
    if path:
        return builder(imported(path, name), target, arguments, image)
    if "/" in target:
        return find(target).network
    raise HarnessError(f"{target!r} is no network; give {FORMS}")


def parted(target: str) -> tuple[str, str]:
    """The file or the module of a target, empty if it names none, and the name in it, empty for a file alone."""
    call = re.fullmatch(r"(.*?):([\w.]+\(.*\))", target, flags=re.DOTALL)  # in which there may be a colon, too
    path, name = call.groups() if call else target.rpartition(":")[::2]
    return (path, name) if path or not is_file(target) else (target, "")


def is_file(path: str) -> bool:
    """Whether a path is that of a script or a notebook, by its suffix."""
    return path.endswith((".py", ".ipynb"))


def value_in(path: Path, name: str) -> Any:
    """The value of a name in a script or a notebook, of which no more is run than that needs.

    Without a name it is the only class of a network. Raises HarnessError if there is none, or if running it fails.
    """
    name, needed = definition(path, name)
    return getattr(module_of(needed, path), name)


def definition(path: Path, name: str) -> tuple[str, list[source.Statement]]:
    """The name, or that of the only network, and the statements of a script or a notebook that define it."""
    body, errors = source.statements(path)
    known = source.networks(body)
    left_out = f"; left out as it is not Python: {errors[0]}" if errors else ""
    if not name:
        if len(known) != 1:
            listed = ", ".join(known) or "none was found"
            raise HarnessError(f"say which network of {path}, as in {path}:{[*known, 'Net'][0]}: {listed}{left_out}")
        [name] = known
    needed = source.needed(body, name)
    if not needed:
        raise HarnessError(f"{path} defines no {name!r}; {nearest(name, known)}{left_out}")
    return name, needed


def imported(path: str, name: str) -> Any:
    """The attribute of a module, which may be in the current folder."""
    if os.path.isfile(path):
        raise HarnessError(f"{path} is neither a script, .py, nor a notebook, .ipynb")
    if "" not in sys.path:
        sys.path.insert(0, "")
    with foreign_call("its import", path):
        module = importlib.import_module(path)
    if not hasattr(module, name):
        raise HarnessError(f"{path} has no {name!r}; {nearest(name, dir(module))}")
    return getattr(module, name)


def _arguments(called: str) -> tuple[str, Arguments]:
    """The name in a call, and the arguments, which are literals; a name alone is called with none."""
    if not called.endswith(")"):
        return called, ([], {})
    try:
        call = ast.parse(called, mode="eval").body
        if isinstance(call, ast.Call):
            named = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
            return ast.unparse(call.func), ([ast.literal_eval(one) for one in call.args], named)
    except (SyntaxError, TypeError, ValueError):
        pass
    raise HarnessError(f"{called} is no class with literals as its arguments, as in Net(16, dropout=0.1)")


def builder(
    value: Any, target: str, arguments: Arguments = ([], {}), image: Sequence[int] = (1, 28, 28)
) -> Callable[[], nn.Module]:
    """What builds the network by calling a value with the arguments; HarnessError if that cannot be called so."""
    if isinstance(value, nn.Module):
        raise HarnessError(f"{target} is one network; name what builds it, such as its class {type(value).__name__}")
    if not callable(value):
        raise HarnessError(f"{target} is {type(value).__name__}, which builds no network")
    _check_arguments(value, target, arguments)
    return partial(new_network, partial(value, *arguments[0], **arguments[1]), target, image)


def _check_arguments(value: Callable[..., Any], target: str, arguments: Arguments) -> None:
    try:
        signature = inspect.signature(value)
    except ValueError:
        return  # it is written in C
    try:
        signature.bind(*arguments[0], **arguments[1])
    except TypeError as error:
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        known = signature.parameters.values()
        needed = ", ".join(f"{one.name}=..." for one in known if one.default is one.empty and one.kind not in variable)
        name = getattr(value, "__name__", "Class")
        raise HarnessError(f"{target}: {error}; give what its constructor needs, as in {name}({needed})") from error
