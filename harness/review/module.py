"""A module made of some statements of a script or a notebook, where packages that are not installed may be imported."""

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from harness.errors import HarnessError, foreign_call
from harness.review.source import Statement


def module_of(body: Iterable[Statement], path: Path) -> ModuleType:
    """The module of a file with some of its statements run.

    Raises HarnessError if running them fails, or if they use what a package has that is not installed.
    """
    module = ModuleType(re.sub(r"\W", "_", f"source of {path}"))
    module.__file__ = str(path)
    module.__package__ = _package(path.resolve().parent)
    sys.modules[module.__name__] = module  # where a dataclass looks for the names of its module
    sys.path.insert(0, str(path.resolve().parent))
    words, sys.argv = sys.argv, [str(path)]
    try:
        with foreign_call("its code", str(path)):
            _run(list(body), module)
    finally:
        sys.argv = words
    return module


def _run(body: list[Statement], module: ModuleType) -> None:
    futures = [one.node for one in body if isinstance(one.node, ast.ImportFrom) and one.node.module == "__future__"]
    for one in body:
        code = compile(ast.Module([*futures, one.node], type_ignores=[]), one.place, "exec")
        try:
            exec(code, module.__dict__)
        except ModuleNotFoundError as error:
            # Often it is for a progress bar or a plot, and no layer needs it.
            if not isinstance(one.node, ast.Import | ast.ImportFrom) or one.node.names[0].name == "*":
                raise
            names = (alias.asname or alias.name.partition(".")[0] for alias in one.node.names)
            parts = [part for part in str(error.name).split(".") if not part.startswith(_FOLDER)]
            module.__dict__.update({name: _Absent(".".join(parts)) for name in names})


_FOLDER = "folder_of_"
"""How the name of a package begins that stands for a folder."""


class _Absent:
    """What stands for a name of a package that is not installed: whatever is done with it raises HarnessError."""

    def __init__(self, package: str) -> None:
        self._package = package

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise HarnessError(f"the network needs {self._package}, which is neither installed nor beside its file")

    __call__ = __iter__ = __getitem__ = __mro_entries__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # which Python looks for by itself
            raise AttributeError(name)
        self._refuse()


def _package(folder: Path) -> str:
    """The name of a package of a folder, and of those it lies in, for relative imports; no `__init__.py` is run."""
    outer = f"{_package(folder.parent)}." if (folder / "__init__.py").is_file() and folder != folder.parent else ""
    name = outer + re.sub(r"\W", "_", f"{_FOLDER}{folder}")
    package = sys.modules.setdefault(name, ModuleType(name))
    package.__path__ = [str(folder)]
    return name
