"""Write what the records say back into the specs and the README: Measured lines, verdicts of claims, generated tables.

Only what is generated is touched, and only files that change are written. `pytest --update-records` and the verb
`train --record` end with this; a difference in git then shows what new evidence overturns.
"""

import ast
import hashlib
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from harness import bench_tables, record, tables
from harness.claims import verdicts
from harness.data import write
from harness.step import StepSpec, find, steps

SUMS = "SHA256SUMS"
"""The name of the file beside the records with their checksums, as sha256sum reads it."""

CITED = re.compile(r"(<!-- (\w+/\w+): (.+?) -->).*$", flags=re.MULTILINE)

WIDTH = 116  # of a Measured line, in a docstring that is indented by four


def rewrite() -> list[Path]:
    """Bring all specs, the README and its plot up to the records; the files that were not, and now are.

    All, because a claim about a step may be decided by the record of another. The README is that beside the package
    `spec`, the plot docs/frontier.svg there, where there are any.

    Raises HarnessError for a claim that is not in the vocabulary.
    """
    specs = list(steps().values())
    words = {step.id: {claim: verdict.word for claim, verdict in verdicts(step).items()} for step in specs}
    written = [step.source for step in specs if _replace(step.source, spec_text(step, words[step.id]))]
    for folder in sorted({record.path_of(step).parent for step in specs}):
        if any(folder.glob("*.json")) and _replace(folder / SUMS, checksums(folder)):
            written.append(folder / SUMS)
    root = specs[0].source.parents[2] if specs else Path()
    readme, plot = root / "README.md", root / "docs" / "frontier.svg"
    if readme.exists() and _replace(readme, readme_text(readme.read_text("utf-8"), words)):
        written.append(readme)
    if plot.exists():
        from harness import report  # which loads matplotlib

        if _replace(plot, report.plot(specs)):
            written.append(plot)
    return written


def checksums(folder: Path) -> str:
    """The SHA-256 of each record in a folder, a line each: a digit that changes anywhere in a record is seen by it."""
    files = sorted(folder.glob("*.json"))
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def spec_text(step: type[StepSpec], words: Mapping[str, str]) -> str:
    """The source of a spec with its Measured line and the words of its claims as they should be."""
    text = with_measured(step.source.read_text(encoding="utf-8"), record.measured(step))
    return with_claims(text, step.__name__, words)


def with_measured(text: str, measured: str | None) -> str:
    """The source of a spec with that Measured line at the end of its Result, or with none."""
    text = re.sub(r"^ +Measured: .*?\n(?=\n)", "", text, flags=re.MULTILINE | re.DOTALL)
    if measured is None:
        return text
    indent = " " * 8
    filled = textwrap.wrap(
        f"Measured: {measured}",
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * 4,
        break_on_hyphens=False,
    )
    lines = "".join(f"\n{line}" for line in filled)
    return re.sub(r"\n\n(?= +Analysis:\n)", lambda gap: lines + gap[0], text, count=1)


def with_claims(text: str, name: str, words: Mapping[str, str]) -> str:
    """The source of a spec with the `claims` of its class as given: replaced, added at the end, or taken out."""
    lines = text.splitlines(keepends=True)
    spec = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name)
    end = spec.end_lineno or len(lines)
    there = [
        (node.lineno - 1, node.end_lineno or node.lineno)
        for node in spec.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "claims"
    ]
    start, stop = there[0] if there else (end, end)
    entries = [f'        "{claim}": "{word}",\n' for claim, word in words.items()]
    lines[start:stop] = ["    claims = {\n", *entries, "    }\n"] if entries else []
    return "".join(lines)


def readme_text(text: str, words: Mapping[str, Mapping[str, str]]) -> str:
    """The README with what stands between the markers of each ladder, the findings and the speed made anew.

    So is the rest of a line after `<!-- ID: CLAIM -->`: what became of that claim, with its evidence.
    """
    found = re.findall(r"^<!-- (\w+) -->$", text, flags=re.MULTILINE)
    ladders = {step.ladder for step in steps().values()}
    for marker in found:
        if marker == "findings":
            text = _between(text, marker, tables.findings_table(words))
        elif marker == "speed":
            text = _between(text, marker, bench_tables.overview(bench_tables.recorded()))
        elif marker in ladders:
            text = _between(text, marker, tables.ladder_table(marker))
    return CITED.sub(lambda cited: f"{cited[1]} {tables.evidence(find(cited[2]), cited[3])}", text)


def _between(text: str, marker: str, content: str) -> str:
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}\n{content}\n{found[2]}", text, flags=re.DOTALL)


def _replace(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write(path, text.encode())
    return True
