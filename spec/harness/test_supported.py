"""The project supports what it tests: lower bounds, tox environments, workflows."""

import ast
import configparser
import re
import tomllib
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from spec.harness.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(name: str) -> dict[str, Version]:
    """The versions that a file in .ci pins, by name."""
    lines = (ROOT / ".ci" / name).read_text(encoding="utf-8").splitlines()
    found = (Requirement(line.removesuffix("\\")) for line in lines if re.match(r"\w", line))
    return {pin.name.lower(): Version(str(pin.specifier).removeprefix("==")) for pin in found}


def test_the_oldest_versions_that_are_tested_are_the_lower_bounds() -> None:
    oldest = pins("oldest.txt")
    for bound in map(Requirement, PROJECT["project"]["dependencies"]):
        assert Version(str(bound.specifier).removeprefix(">=")) == oldest[bound.name.lower()], bound


@pytest.mark.thorough
def test_what_is_installed_with_the_harness_is_what_it_imports() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "harness").rglob("*.py"))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    known = packages_distributions()
    imported = {known[name.partition(".")[0]][0] for name in names if name.partition(".")[0] in known}
    extras = {
        Requirement(line).name for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines
    }
    others = {PROJECT["project"]["name"], *extras, "triton"}  # itself, and what comes with torch for CUDA
    declared = {Requirement(line).name for line in PROJECT["project"]["dependencies"]}
    assert declared == {name.lower() for name in imported} - others


def test_what_ci_installs_is_within_the_bounds() -> None:
    newest = pins("locked.txt") | pins("tox.txt") | pins("release.txt")
    groups = PROJECT["dependency-groups"]
    for bound in map(
        Requirement, [*PROJECT["project"]["dependencies"], *(line for group in groups.values() for line in group)]
    ):
        assert newest[bound.name.lower()] in bound.specifier, bound


@pytest.mark.parametrize("name", ["locked.txt", "tox.txt", "release.txt"])
def test_whatever_ci_installs_has_a_hash(name: str) -> None:
    text = (ROOT / ".ci" / name).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+==[\w.]+( ; [^;#]+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line


def test_whatever_is_installed_in_a_workflow_is_locked() -> None:
    scripts = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".ci" / "run"]
    installs = [found for path in scripts for found in re.findall(r"\bpip\W? install .*", path.read_text())]
    assert installs
    for install in installs:
        assert re.search(r"--require-hashes -r \.ci/\w+\.txt$", install), install


def test_the_environments_that_workflows_run_exist() -> None:
    sections = (ROOT / "tox.ini").read_text(encoding="utf-8")
    workflows = "".join(path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    lists = re.findall(r"env: \[(.*)\]", workflows)
    named = [*re.findall(r"tox\"? -e (\w+)", workflows), *(name for names in lists for name in names.split(", "))]
    assert {"oldest", "coverage", "ladder", "gpu"} <= set(named)
    for name in named:
        assert f"[testenv:{name}]" in sections


def test_nothing_is_built_while_tox_installs_what_is_locked() -> None:
    """A build would fetch what it needs without a hash."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    assert tox["testenv"]["set_env"] == "PIP_ONLY_BINARY=:all:"
    built = [name for name in tox.sections() if name.startswith("testenv:") and "set_env" in tox[name]]
    assert built == ["testenv:oldest"]  # which has no hashes anyway


@pytest.mark.parametrize(
    "name",
    [
        "CUDA_VISIBLE_DEVICES",
        "LD_LIBRARY_PATH",  # by which a container may find the driver
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_TF32_OVERRIDE",
        "PYTORCH_ALLOC_CONF",
        "PYTORCH_CUDA_ALLOC_CONF",
        "TRITON_CACHE_DIR",
    ],
)
def test_what_torch_is_told_of_a_gpu_reaches_the_environments_of_tox(name: str) -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    assert any(fnmatchcase(name, pattern) for pattern in tox["testenv"]["pass_env"].split())
