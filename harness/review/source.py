"""The part of a script or a notebook that defines a name: its statement, and those that define what it needs.

The rest is not run, so that a class can be taken out of a file that also downloads data and trains.
"""

import ast
import builtins
import json
import re
import symtable
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from harness import files
from harness.errors import HarnessError

_MAGIC = re.compile(
    r"^(\s*)(?:(?:[!?]|%{1,2}\w|[\w., ]+=\s*(?:!|%\w)|(?:pip|conda) install\b)(?:.*\\\n)*.*|[\w.*]+\?{1,2}\s*)$",
    flags=re.MULTILINE,
)
"""A line for IPython, which is no Python, with those that continue it."""
_OTHER_LANGUAGE = re.compile(r"\s*%%(?!time\b|timeit\b|capture\b|prun\b)")
"""A cell magic after which the cell is no Python of this notebook."""
_LINE_END = re.compile(r"\r\n|\r|\n")
"""What ends a line of Python; `str.splitlines` knows more."""


def cells(path: Path) -> list[str]:
    """The source of a script in a list of one, or of the code cells of a notebook, without what is for IPython.

    Raises HarnessError if the file cannot be read or is no notebook.
    """
    try:
        raw = files.read(path)
        if path.suffix != ".ipynb":
            return [_without_magics(_decoded(raw))]  # a notebook may have been exported as a script
        found = json.loads(raw.decode("utf-8-sig"))["cells"]
        sources = ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror or error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise HarnessError(f"{path} is no notebook of the format 4, which has cells with sources") from error
    except UnicodeError as error:
        raise HarnessError(f"{path} is no text in UTF-8: {error}; save it as UTF-8") from error
    except RecursionError as error:
        raise HarnessError(f"{path} is no notebook: it is nested too deeply") from error
    except ValueError as error:
        raise HarnessError(f"{path} is no notebook: {error}") from error
    return ["" if _OTHER_LANGUAGE.match(source) else _without_magics(source) for source in sources]


def _decoded(raw: bytes) -> str:
    """The text of a script in the encoding that Python reads it in: UTF-8, unless its first lines name another."""
    try:
        return raw.decode(tokenize.detect_encoding(BytesIO(raw).readline)[0])
    except (SyntaxError, LookupError) as error:
        raise UnicodeError(error) from error


def _without_magics(source: str) -> str:
    try:
        _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _MAGIC.sub(lambda line: f"{line[1]}pass" + "\n" * line[0].count("\n"), source)
    return source


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings(action="ignore"):  # such as of a backslash in a path of Windows
        return ast.parse(source)


@dataclass(frozen=True)
class Statement:
    """A statement of a script or a notebook."""

    node: ast.stmt
    text: str
    place: str
    """The file, and its cell in a notebook: from 1, among those with code."""


def statements(path: Path) -> tuple[list[Statement], list[str]]:
    """The statements of a script or a notebook in order, and what is wrong with the cells that are not Python.

    Such a cell is left out, since it may be a sketch that never ran. HarnessError where none of a file is Python.
    """
    found: list[Statement] = []
    errors = []
    for number, text in enumerate(cells(path), start=1):
        cell = f", cell {number}" if path.suffix == ".ipynb" else ""
        try:
            found += [Statement(node, _text(text, node), f"{path}{cell}") for node in _parse(text).body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
            deep = isinstance(error, (RecursionError, MemoryError))
            what = "it is nested too deeply" if deep else error.msg if isinstance(error, SyntaxError) else str(error)
            errors.append(f"{cell}, {line}{what}".lstrip(", ").splitlines()[0])
    if errors and not found:
        raise HarnessError(f"{path} is not Python: {errors[0]}")
    return found, errors


def _text(source: str, node: ast.stmt) -> str:
    """The lines of a statement, with its decorators and comments, and without others that stand in them."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    lines = [line.encode() for line in _LINE_END.split(source)[first - 1 : node.end_lineno]]
    rest = lines[-1][node.end_col_offset :].strip()
    if rest and not rest.startswith(b"#"):
        lines[-1] = lines[-1][: node.end_col_offset]
    if first == node.lineno:
        lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode()


def networks(body: Iterable[Statement]) -> list[str]:
    """The classes among some statements that look like networks: a base is called something with Module or Net."""
    known: set[str] = set()
    for node in (one.node for one in body):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if bases & known or any(re.search(r"Module$|Sequential$|Net$", base) for base in bases):
                known.add(node.name)
    return sorted(known)


def needed(body: list[Statement], name: str) -> list[Statement]:
    """The statements that define a name and what it needs, in order; none if nothing defines it."""
    imported = {name for one in body for node in ast.walk(one.node) if _is_import(node) for name in _bound(node)}
    bound = [{*_bound(one.node), *(set(_changed(one.node)) - imported)} for one in body]
    if not any(name in names for names in bound):
        return []
    chosen = {index for index, one in enumerate(body) if _is_of_the_compiler(one.node)}
    waiting, seen = {name}, set(dir(builtins))
    while waiting:
        wanted = waiting.pop()
        seen.add(wanted)
        defining = {index for index, names in enumerate(bound) if wanted in names}
        if not defining:  # then an import of * may have it
            defining = {index for index, names in enumerate(bound) if "*" in names}
        for index in defining - chosen:
            chosen.add(index)
            waiting |= _loaded(body[index].node) - seen
    return [
        body[index] for index in sorted(chosen, key=lambda index: (not _is_of_the_compiler(body[index].node), index))
    ]


def _is_of_the_compiler(node: ast.stmt) -> bool:
    """Whether it is a `from __future__ import`, which every statement needs and which has to come first."""
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _bound(node: ast.AST) -> Iterator[str]:
    """The global names that a statement binds, or of whose values it sets an item or an attribute."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        case ast.If() if "__name__" in _loaded(node.test):
            pass  # what a script does when it is run, and not when it is imported
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            pass  # their names are their own
        case ast.Name() | ast.Attribute() | ast.Subscript() if isinstance(node.ctx, ast.Store):
            yield _base(node)
        case _:
            if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
                yield node.name
            for child in ast.iter_child_nodes(node):
                yield from _bound(child)


def _changed(node: ast.AST) -> Iterator[str]:
    """The global names of whose values a statement calls a method for its effect, as in `widths.append(8)`."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            pass
        case ast.If() if "__name__" in _loaded(node.test):
            pass
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            yield _base(method)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _changed(child)


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _base(target: ast.AST) -> str:
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def _loaded(statement: ast.AST) -> set[str]:
    """Every global name that a statement reads before it binds it, also in the functions that it defines."""
    try:
        names = _globals(symtable.symtable(ast.unparse(statement), "", "exec"))
    except (SyntaxError, RecursionError):  # which is said where the statement is run
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    bodies = [node.body for node in ast.walk(statement) if isinstance(node, ast.ClassDef)]
    for one in (one for body in bodies for one in body if isinstance(one, ast.Assign)):
        names |= {*_bound(one)} & {node.id for node in ast.walk(one.value) if isinstance(node, ast.Name)}  # as in n = n
    return names - _targets(statement)


def _globals(table: symtable.SymbolTable) -> set[str]:
    """The global names that are read in a scope and in those within it."""
    of_module = table.get_type() == "module"
    read = (one for one in table.get_symbols() if one.is_referenced() and (of_module or one.is_global()))
    return {one.get_name() for one in read}.union(*map(_globals, table.get_children()))


def _targets(statement: ast.AST) -> set[str]:
    """The names that a loop or a `with` binds before its body reads them."""
    match statement:
        case ast.For(target=target):
            targets: list[ast.expr] = [target]
        case ast.With(items=items):
            targets = [one.optional_vars for one in items if one.optional_vars is not None]
        case _:
            targets = []
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
