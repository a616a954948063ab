"""The source of a spec, two parts of which are generated from its record: the Measured line and the `claims`."""

import ast
import io
import re
import textwrap
from collections.abc import Mapping
from typing import TypeGuard

from harness import docstring, escape
from harness.errors import HarnessError

WIDTH = 116  # of a Measured line, in a docstring that is indented by four
RESULT = re.compile(r"^( *)Result: *\n.*?(?=\s*\n\1Analysis: *\n)", flags=re.MULTILINE | re.DOTALL)
MEASURED = re.compile(r"\n( *)Measured:.*(?:\n\1(?!\w+:)[ ]*\S.*)*")  # up to the next label, as `docstring.entry` reads


def with_measured(text: str, measured: str | None) -> str:
    """The source of a spec with that Measured line at the end of its Result, or with none."""
    lines = "" if measured is None else _filled(measured)
    return RESULT.sub(lambda result: MEASURED.sub("", result[0]) + lines, text, count=1)


def _filled(measured: str) -> str:
    """A Measured line, wrapped."""
    indent = " " * 8
    filled = textwrap.wrap(
        f"Measured: {escape.docstring(measured)}",
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * 4,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "".join(f"\n{line}" for line in filled)


def with_claims(text: str, name: str, words: Mapping[str, str]) -> str:
    """The source of a spec with the `claims` of its class as given: replaced, added at the end, or taken out."""
    lines = list(io.StringIO(text))  # as Python counts them, which str.splitlines does not
    spec = _class(ast.parse(text), name)
    end = spec.end_lineno or len(lines)
    existing = [(node.lineno - 1, node.end_lineno or node.lineno) for node in spec.body if _is_claims(node)]
    start, stop = existing[0] if existing else (end, end)
    entries = [f"        {escape.literal(claim)}: {escape.literal(word)},\n" for claim, word in words.items()]
    if entries and not lines[start - 1].endswith("\n"):
        lines[start - 1] += "\n"
    lines[start:stop] = ["    claims = {\n", *entries, "    }\n"] if entries else []
    return "".join(lines)


def only(before: str, after: str, name: str, measured: str | None, words: Mapping[str, str]) -> bool:
    """Whether Python reads the same in both but for the Measured line and the `claims`, and these as given."""
    try:
        if _fixed(before, name) != _fixed(after, name):
            return False
        spec = _class(ast.parse(after), name)
        claims = [ast.literal_eval(node.value) for node in spec.body if _is_claims(node) and node.value is not None]
    except (SyntaxError, ValueError):
        return False
    written = docstring.parse(ast.get_docstring(spec, clean=False), name).measured
    wanted = None if measured is None else " ".join(measured.split())
    return written == wanted and claims == ([dict(words)] if words else [])


def _fixed(text: str, name: str) -> str:
    """The syntax tree of a spec without its Measured line and its `claims`, as text."""
    tree = ast.parse(text)
    spec = _class(tree, name)
    spec.body = [node for node in spec.body if not _is_claims(node)]
    match spec.body:
        case [ast.Expr(ast.Constant(str(said))), *_]:
            spec.body[0] = ast.Expr(ast.Constant(with_measured(said, None)))
    return ast.dump(tree)


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise HarnessError(f"{name} is no class at the top level of its file; put it there")


def _is_claims(node: ast.stmt) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    match node:
        case ast.Assign([target, *_], _) | ast.AnnAssign(target, _, _):
            return ast.unparse(target) == "claims"
    return False
