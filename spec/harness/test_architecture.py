"""The house of the harness: no imports run in a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from spec.harness.support.paths import ROOT

HARNESS = ROOT / "harness"


def modules() -> dict[str, Path]:
    """Every module of the harness by its dotted name."""
    paths = (path.relative_to(HARNESS.parent).with_suffix("") for path in HARNESS.rglob("*.py"))
    return {".".join(path.parts).removesuffix(".__init__"): HARNESS.parent / path.with_suffix(".py") for path in paths}


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """The modules of the harness that a file imports: at the top, under TYPE_CHECKING and inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name if name in MODULES else node.module for name in names)


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({module: set(imported(path)) for module, path in MODULES.items()}).prepare()
