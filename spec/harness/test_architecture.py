"""The floors of the house: what a module may import, and that no imports run in a circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from spec.harness.support.paths import ROOT

HARNESS = ROOT / "harness"
FLOORS = [  # from the top down; what stands on one floor does not know its neighbours
    {"__init__", "__main__"},
    {"commands", "plugin"},
    {"project", "report", "step_spec"},
    {"benchmark", "claims", "jobs", "review"},
    {"evidence", "training"},
    {"ladder", "provenance"},
    {"data", "discovery", "machine", "run"},
    {"argument_types", "step"},
    {
        "child",
        "device",
        "docstring",
        "files",
        "hidden_settings",
        "network",
        "receptive_field",
        "recipe",
        "streams",
        "strict_json",
    },
    {"errors"},
    {"escape"},
]
FLOOR = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}


def modules() -> dict[str, Path]:
    """Every module of the harness by its dotted name."""
    paths = (path.relative_to(ROOT) for path in HARNESS.rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): ROOT / path for path in paths}


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """The modules of the harness that a file imports: at the top, under TYPE_CHECKING and inside functions.

    Every import is absolute: ruff refuses any other.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name if name in MODULES else node.module for name in names)


def room(module: str) -> str:
    """The package directly below harness that a module is in, or the module itself."""
    return module.split(".")[1] if "." in module else "__init__"


def test_every_room_stands_on_a_floor() -> None:
    homeless = {room(module) for module in MODULES} - FLOOR.keys()
    assert not homeless, f"{', '.join(sorted(homeless))} stands on no floor; give it one in FLOORS"
    empty = FLOOR.keys() - {room(module) for module in MODULES}
    assert not empty, f"FLOORS names {', '.join(sorted(empty))}, which harness does not have"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_its_own_package_and_the_floors_below(module: str) -> None:
    others = {other for other in imported(MODULES[module]) if room(other) != room(module)}
    wrong = sorted(other for other in others if FLOOR[room(other)] >= FLOOR[room(module)])
    assert not wrong, f"{module} imports {', '.join(wrong)}, which stands no lower than {room(module)}"


def test_the_page_on_the_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| (`.*?) \|", page.partition("## The floors")[0], flags=re.MULTILINE))
    assert {name.rstrip("/") for name in re.findall(r"`([\w/]+)`", rows)} == FLOOR.keys() - {"__init__", "__main__"}


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({module: set(imported(path)) for module, path in MODULES.items()}).prepare()


def test_the_receptive_field_could_be_published_alone() -> None:
    paths = [path for module, path in MODULES.items() if module.startswith("harness.receptive_field")]
    names = {name for path in paths for name in imported(path)}
    assert {name for name in names if not name.startswith("harness.receptive_field")} == {"harness.errors"}
