"""A new project, a new ladder in it, and the next step of a ladder: each is written whole, or not at all."""

import ast
import keyword
import re
import sys
import tempfile
from contextlib import ExitStack, suppress
from importlib import metadata
from itertools import takewhile
from os.path import lexists
from pathlib import Path

import jinja2
import torch
from torch import nn

from harness import files
from harness.discovery import NOT_SEARCHED, find
from harness.errors import HarnessError, foreign_call
from harness.project.literal import classes, literal
from harness.recipe.named import NAMED
from harness.review import load, review
from harness.review.target import builder, definition, is_file, parted, value_in
from harness.step import Step
from harness.training.network import check_output

FIRST = "first"
"""The first step of a new project."""

Texts = dict[str, str]
"""The texts of files by their paths in a project."""

_TEMPLATES = {
    "README.md": "README.md.j2",
    "pyproject.toml": "pyproject.toml.j2",
    "conftest.py": "conftest.py.j2",
    ".gitignore": "gitignore.j2",
    ".github/workflows/ci.yml": "ci.yml.j2",
}
_PACKAGES = {"spec": "The specifications: one folder per ladder, one file per step.", "models": "The networks."}
# What is filled in are identifiers, numbers and code of the user's own.
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("harness.project"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)


def new_project(folder: Path, target: str | None) -> None:
    """Make a project with a ladder of its name and a first step.

    The network is that of a target, `file.py:Class` or `package.module:Class`, or a small one to begin with.

    Raises HarnessError if the folder exists and is not empty, if its name is no name of a ladder, or as `review` does.
    """
    with files.readable(folder):
        folder = folder.resolve()
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    name = folder.name
    ladder = _identifier(name.replace("-", "_"), "ladder")
    if folder == Path.cwd():
        raise HarnessError(f"a project is a new folder; go up, and make it from there: python -m harness new {name}")
    if taken:
        raise HarnessError(f"{folder} exists and is not empty; name a folder that does not exist")
    about = {"name": name, "ladder": ladder, "step": FIRST, "version": _version()}
    texts = {path: _ENVIRONMENT.get_template(template).render(about) for path, template in _TEMPLATES.items()}
    texts |= {f"{package}/__init__.py": f'"""{what}"""\n' for package, what in _PACKAGES.items()}
    texts |= _ladder(ladder, FIRST, target)
    if target is not None:
        _check_found(target)
    with files.writable(folder), ExitStack() as undo:
        _make(folder.parent, undo)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            whole = Path(temporary) / name
            _write(whole, texts)
            whole.rename(folder)
        undo.pop_all()


def new_step(folder: Path, name: str, follows: str | None, target: str | None) -> Path:
    """Write the next step of a ladder, `folder` being PROJECT/LADDER, and return its file.

    It is a copy of the step that it follows, to be edited. The first step of a ladder follows none.

    Raises HarnessError if there is no such project, if the ladder has a step of that name or one already and this
    follows none, and if it follows one that does not exist.
    """
    project, ladder = folder.parent, _identifier(folder.name, "ladder")
    _identifier(name, "step")
    with files.readable(project):
        exists = (project / "spec" / "__init__.py").is_file()
    if not exists:
        raise HarnessError(f"{project} is no project, as it has no spec/; make one with: python -m harness new DIR")
    # Under a lock, or two steps that are made at once would have one number.
    with files.writable(folder), files.locked(project / "spec" / ladder):
        texts = _step(project, ladder, name, follows, target)
        _write(project, texts)
    return project / list(texts)[-1]


def _step(project: Path, ladder: str, name: str, follows: str | None, target: str | None) -> Texts:
    """The files of the next step of a ladder, none of which is there; HarnessError as `new_step`."""
    existing = [path.stem for path in sorted((project / "spec" / ladder).glob("test_[0-9]*_*.py"))]
    if name in [re.sub(r"^test_[0-9]+_", "", stem) for stem in existing]:
        raise HarnessError(f"{ladder} has a step {name}; give the new one another name")
    if follows is None:
        if existing:
            raise HarnessError(
                f"say which step of {ladder} {name} follows, as in --follows {existing[-1].split('_', 2)[2]}"
            )
        texts = _ladder(ladder, name, target)
    else:
        before = find(follows if "/" in follows else f"{ladder}/{follows}")
        texts = {} if (project / "spec" / ladder / "__init__.py").exists() else _about(ladder)
        texts |= _next(before, ladder, name, 1 + max((int(stem.split("_")[1]) for stem in existing), default=0))
    for path in texts:
        if lexists(project / path):
            raise HarnessError(f"{project / path} exists; it is left as it is")
    return texts


def _write(project: Path, texts: Texts) -> None:
    """Write files that are not there, all or none: whatever was made is removed if one cannot be, or on Ctrl-C."""
    with ExitStack() as undo:
        for path, text in texts.items():
            place = project / path
            _make(place.parent, undo)
            undo.callback(_remove, place)
            files.write(place, text.encode())
        undo.pop_all()


def _make(folder: Path, undo: ExitStack) -> None:
    """Make a folder and those that it lies in, and have those removed again that were not there."""
    for missing in reversed(list(takewhile(lambda one: not lexists(one), (folder, *folder.parents)))):
        undo.callback(_remove, missing)
        missing.mkdir()


def _remove(path: Path) -> None:
    """Remove a file or an empty folder, if it is there."""
    with suppress(OSError):
        path.rmdir() if path.is_dir() else path.unlink()


def _version() -> str:
    """The version of this package, which a project says that it needs."""
    try:
        return metadata.version("mnist-ladders")
    except metadata.PackageNotFoundError as error:
        raise HarnessError("a project needs mnist-ladders installed; type in its checkout: pip install .") from error


def _identifier(name: str, what: str) -> str:
    """The name of a ladder or a step, which Python has to be able to import, and pytest to find."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise HarnessError(f"{name!r} is no name of a {what}; use small letters, digits and _, and begin with a letter")
    if keyword.iskeyword(name) or name in {"harness", "models", "spec", *NOT_SEARCHED}:
        raise HarnessError(f"{name!r} is no name of a {what}, as it means something else here; give it another")
    return name


def _ladder(ladder: str, step: str, target: str | None) -> Texts:
    """The files of a ladder with one step, the step last."""
    text, imported, name = _network(ladder, target)
    whose = target or name
    with foreign_call("it", whose):
        network = _built(text, name, whose) if text else load(whose)()
        found = review(network)
    if found.field is None or found.no_field:
        raise HarnessError(f"the receptive field of the network is not known: {found.no_field}")
    down, across = found.field.size
    if down != across:
        raise HarnessError(f"the network sees {down} x {across} pixels; a step has a field as wide as high")
    check_output(whose, network, torch.device("cpu"))
    recipe = literal(NAMED["one-cycle"], indent=4)
    about = {
        "ladder": ladder,
        "step": step,
        "number": 1,
        "title": _title(step),
        "imports": [
            "from harness import Recipe, StepSpec",
            f"from harness.recipe import {', '.join(sorted(classes(recipe) - {'Recipe'}))}",
            f"from {imported} import {name}",
        ],
        "follows": None,
        "model": name,
        "parameters": found.parameters,
        "field": down,
        "recipe": recipe,
        "final_epochs": None,
    }
    return {
        **({f"models/{ladder}.py": text} if text else {}),
        **_about(ladder),
        f"spec/{ladder}/test_01_{step}.py": _ENVIRONMENT.get_template("step.py.j2").render(about),
    }


def _about(ladder: str) -> Texts:
    """The file that makes a folder a ladder: without it no step of the project would be found."""
    return {f"spec/{ladder}/__init__.py": _ENVIRONMENT.get_template("ladder.py.j2").render(ladder=ladder)}


def _network(ladder: str, target: str | None) -> tuple[str, str, str]:
    """The text of the module of a network, empty if it has one already, the module's name, and that of the class."""
    if target is None:
        return _ENVIRONMENT.get_template("network.py.j2").render(ladder=ladder), f"models.{ladder}", "Network"
    path, name = parted(target)
    if not path:
        raise HarnessError(f"--from {target} names no class; give file.py:Class or package.module:Class")
    if name.endswith(")"):
        raise HarnessError(f"--from {target}: a step builds its network without arguments; give those of it defaults")
    if not is_file(path):
        return "", path, name
    name, statements = definition(Path(path), name)
    for statement in statements:
        _check_import(statement.node, Path(path))
    body = "\n\n".join(one.text for one in statements)
    return f'"""The networks of {ladder}, from {Path(path).name}."""\n\n{body}\n', f"models.{ladder}", name


def _check_import(statement: ast.stmt, path: Path) -> None:
    """Raise HarnessError for an import of what lies beside a script, as the project will not have it."""
    match statement:
        case ast.ImportFrom(module=module, level=level):
            names = ["." * level + (module or "")]
        case ast.Import(names=aliases):
            names = [alias.name for alias in aliases]
        case _:
            return
    for name in names:
        top = name.partition(".")[0]
        beside = [path.parent / top, path.parent / f"{top}.py"]
        if not top or (top != "harness" and any(map(lexists, beside))):
            raise HarnessError(
                f"{path} imports {name}, which is beside it; put all that the network needs into one file"
            )


def _check_found(target: str) -> None:
    """Raise HarnessError for a module that was found in the current folder, where a project does not look."""
    path = parted(target)[0]
    file = None if is_file(path) else sys.modules[path].__file__
    if file and Path(file).resolve().is_relative_to(Path.cwd()) and "site-packages" not in Path(file).parts:
        raise HarnessError(f"--from {target}: a new project does not find {path}; name its file, as in file.py:Class")


def _built(text: str, name: str, target: str) -> nn.Module:
    """The network of a class in the text of a module that was made from a target."""
    with files.scratch() as folder:
        path = folder / "network.py"
        path.write_text(text, encoding="utf-8")
        return builder(value_in(path, name), target)()


def _next(before: type[Step], ladder: str, step: str, number: int) -> Texts:
    """The file of a step that changes nothing yet."""
    folder, _, module = before.__module__.rpartition(".")
    about = {
        "ladder": ladder,
        "step": step,
        "number": number,
        "title": _title(step),
        "imports": ["from harness import StepSpec", f"from {folder} import {module} as before"],
        "follows": before.id,
        "model": f"before.{before.__qualname__}.model",
        "parameters": before.parameters,
        "field": before.receptive_field,
        "recipe": f"before.{before.__qualname__}.recipe",
        "final_epochs": None if before.final_epochs == Step.final_epochs else before.final_epochs,
    }
    return {f"spec/{ladder}/test_{number:02}_{step}.py": _ENVIRONMENT.get_template("step.py.j2").render(about)}


def _title(step: str) -> str:
    return "".join(part.capitalize() for part in step.split("_"))
