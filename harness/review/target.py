"""From the words of a user to something that builds a network."""

import ast
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from harness.errors import HarnessError, foreign
from harness.ladder import find, nearest
from harness.review import source

FORMS = "file.py:Class, notebook.ipynb:Class, package.module:Class or the id of a step"


def load(target: str) -> Callable[[], nn.Module]:
    """What builds the network that a target names, called without arguments.

    A target is `file.py:Class`, `notebook.ipynb:Class`, `package.module:Class` or the id of a step. Of a file only the
    statements that define the class and what it needs are run. A file with a single network needs no class.

    Raises HarnessError if the target names nothing, or if the code behind it fails.
    """
    path, name = parted(target)
    if is_file(path):
        return _built(value_in(Path(path), name), target)
    if path:
        return _built(_imported(path, name), target)
    if "/" in target:
        return find(target).model
    raise HarnessError(f"{target!r} is no network; give {FORMS}")


def parted(target: str) -> tuple[str, str]:
    """The file or the module of a target, empty if it names none, and the name in it, empty for a file alone."""
    path, _, name = target.rpartition(":")
    return (path, name) if path or not is_file(target) else (target, "")


def is_file(path: str) -> bool:
    """Whether a path is that of a script or a notebook, by its suffix."""
    return path.endswith((".py", ".ipynb"))


def value_in(path: Path, name: str) -> Any:
    """The value of a name in a script or a notebook, of which no more is run than that needs.

    Without a name it is the only class of a network. Raises HarnessError if there is none, or if running it fails.
    """
    name, needed = definition(path, name)
    return getattr(_run([one.node for one in needed], path), name)


def definition(path: Path, name: str) -> tuple[str, list[source.Statement]]:
    """The name, or that of the only network, and the statements of a script or a notebook that define it."""
    body = source.statements(path)
    known = source.networks(body)
    if not name:
        if len(known) != 1:
            listed = ", ".join(known) or "none was found"
            raise HarnessError(f"say which network of {path}, as in {path}:{[*known, 'Net'][0]}: {listed}")
        [name] = known
    needed = source.needed(body, name)
    if not needed:
        raise HarnessError(f"{path} defines no {name!r}; {nearest(name, known)}")
    return name, needed


def _run(body: list[ast.stmt], path: Path) -> ModuleType:
    """A module of a file, with some of its statements run."""
    module = ModuleType(re.sub(r"\W", "_", f"source of {path}"))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where a dataclass looks for the names of its module
    sys.path.insert(0, str(path.resolve().parent))
    words, sys.argv = sys.argv, [str(path)]
    try:
        with foreign("its code", str(path)):
            exec(compile(ast.Module(body, type_ignores=[]), str(path), "exec"), module.__dict__)
    finally:
        sys.argv = words
    return module


def _imported(path: str, name: str) -> Any:
    """The attribute of a module, which may be in the current folder."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    with foreign("its import", path):
        module = importlib.import_module(path)
    if not hasattr(module, name):
        raise HarnessError(f"{path} has no {name!r}; {nearest(name, dir(module))}")
    return getattr(module, name)


def _built(value: Any, target: str) -> Callable[[], nn.Module]:
    """A value that builds a network when it is called; HarnessError if it does not."""
    if isinstance(value, nn.Module):
        raise HarnessError(f"{target} is one network; name what builds it, such as its class {type(value).__name__}")
    if not callable(value):
        raise HarnessError(f"{target} is {type(value).__name__}, which builds no network")

    def build() -> nn.Module:
        with foreign("its constructor", target):
            network = value()
        if not isinstance(network, nn.Module):
            raise HarnessError(f"{target} gives {type(network).__name__}, which is no torch.nn.Module")
        return network

    return build
