"""docs/tutorial.md and docs/project.md as a reader types them: in an empty folder, from a wheel, line by line.

A block that begins with a comment naming a file is that file, or is added to its end. In a block of the console the
lines after `$` are typed; `...` stands for any text, and alone for any lines.
"""

import re
from pathlib import Path

import pytest

from spec.harness.support.installed import Installed
from spec.harness.support.paths import ROOT
from spec.harness.training.native.compilers import needs_compiler

TUTORIAL, PROJECT = ((ROOT / "docs" / name).read_text() for name in ("tutorial.md", "project.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
ANY = re.compile(r"(?<!\.)\.{3}(?!\.)")
FILE = re.compile(r"# (at the end of )?(\S+\.py)\n\n?(.*)", flags=re.DOTALL)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each line that is typed, and the lines that are printed then."""
    _, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    return [(typed, printed) for typed, *printed in map(str.splitlines, parts)]


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether these lines are printed: `...` alone is any lines, and within a line any text; more dots are dots."""
    if not expected:
        return not printed
    first, *rest = expected
    if first == "...":
        return any(matches(rest, printed[skip:]) for skip in range(len(printed) + 1))
    pattern = ".*".join(map(re.escape, ANY.split(first)))
    return bool(printed) and re.fullmatch(pattern, printed[0].rstrip()) is not None and matches(rest, printed[1:])


def follow(text: str, folder: Path, installed: Installed) -> None:
    """Write the files and type the commands of a text, in their order."""
    place = folder
    for kind, block in BLOCK.findall(text):
        if kind == "python" and (file := FILE.match(block)):
            more, name, content = file.groups()
            path = place / name
            path.write_text(f"{path.read_text().rstrip()}\n\n\n{content}" if more else content)
        if kind != "console":
            continue
        for typed, printed in commands(block):
            if typed.startswith("cd "):
                place = (place / typed[3:]).resolve()
                continue
            _, output = installed.run(typed, place)
            assert matches(printed, output.splitlines()), f"$ {typed}\n{output}"


@pytest.mark.end_to_end
@pytest.mark.timeout(1800)
@needs_compiler
@pytest.mark.parametrize("page", [TUTORIAL, PROJECT], ids=["tutorial", "project"])
def test_every_line_is_printed(page: str, tmp_path: Path, installed: Installed) -> None:
    follow(page, tmp_path, installed)


def test_it_names_every_verb_that_a_project_of_ones_own_needs() -> None:
    typed = [line for kind, block in BLOCK.findall(TUTORIAL) if kind == "console" for line, _ in commands(block)]
    assert {line.split()[1] for line in typed if line.startswith("mnist-ladders")} >= {
        "check",
        "new",
        "train",
        "report",
    }
