"""Bring what is generated up to the records: Measured lines, verdicts of claims, tables, the plot, checksums.

Only generated text is replaced: every new text is read back and compared with the old one before the first file is
written. `pytest --update-records` and `train --record` end with this, and `git diff` shows what new evidence overturns.
"""

import codecs
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness import escape, files
from harness.claims import sentences
from harness.claims.sentences import Verdicts, words_of
from harness.discovery import find, root, steps
from harness.errors import HarnessError
from harness.evidence import record, record_folder, summary
from harness.report import benchmark, claims, page, results, tables
from harness.report.spec_source import only, with_claims, with_measured
from harness.step import Step

CITED = re.compile(r"(<!-- (\w+/\w+(?:@\w+)?): (.+?) -->).*$", flags=re.MULTILINE)


def rewrite() -> list[Path]:
    """Bring all specs, the README and what goes with it up to the records, and return the files that changed.

    All specs, because a claim about one step may be decided by the record of another. The README is the one next to
    the package `spec`, the others its docs/frontier.svg, docs/results.md and docs/claims.md, each of which may be
    missing, and the checksums in every folder of records.

    Raises HarnessError for a claim that is not in the vocabulary and if more than generated text would change, in both
    cases before anything is written; and if a file cannot be read or written. Whoever does the same at that time waits,
    and then finds all records that there are.
    """
    specs = list(steps().values())
    if not specs:
        return []
    with files.locked(root() / "README.md"):
        wanted = dict([*texts(), *_plot()])
        for path in wanted:
            files.remove_unfinished(path)
        changed = {path: text for path, text in wanted.items() if not path.exists() or _text(path) != text}
        for path, text in changed.items():
            files.write(path, _encoded(text, files.read(path) if path.exists() else b""))
    return list(changed)


def check() -> None:
    """Raise what in the texts keeps `rewrite` from writing; writes nothing, and draws no plot, which takes seconds."""
    for _ in texts():
        pass


def _text(path: Path) -> str:
    """The text of a file; HarnessError if it cannot be read."""
    try:
        return io.TextIOWrapper(io.BytesIO(files.read(path)), encoding="utf-8-sig").read()
    except UnicodeError as error:
        raise HarnessError(f"{path} is no text in UTF-8: {error}; save it as UTF-8") from error
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} cannot be read: {error}") from error


def _encoded(text: str, before: bytes) -> bytes:
    """The bytes of a text with the line ends and the mark at the start that its file had, as editors of Windows write.

    Else every line of it would be changed.
    """
    if before.count(b"\n") == before.count(b"\r\n") > 0:
        text = text.replace("\n", "\r\n")
    return (codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b"") + text.encode()


def texts() -> Iterator[tuple[Path, str]]:
    """Each file with generated text, and its content as it should be; without the plot."""
    specs = list(steps().values())
    for step in {step.ladder: step for step in specs}.values():
        record_folder.check(step)  # the texts of a step that got another name would lose what its record shows
    found = {step.id: sentences.verdicts(step) for step in specs}
    for step in specs:
        yield step.source, spec_text(step, words_of(found[step.id]))
    for folder in sorted({record.path_of(step).parent for step in specs}):
        if any(folder.glob("*.json")):
            yield folder / record_folder.SUMS, record_folder.checksums(folder)
    readme, docs = root() / "README.md", root() / "docs"
    if readme.exists():
        before = _text(readme)
        after = readme_text(before, found)
        if by_hand(after, generated(before)) != by_hand(before, generated(before)):
            raise HarnessError(f"refuses to write {readme}: more would change than its tables and verdicts")
        yield readme, after
    if (path := docs / "results.md").exists():
        yield path, results.page(specs, found)
    if (path := docs / "claims.md").exists():
        yield path, claims.page(specs)


def _plot() -> Iterator[tuple[Path, str]]:
    """The file of the plot, if there is one, and the plot as it should be."""
    if (path := root() / "docs" / "frontier.svg").exists():
        yield path, page.plot(steps().values())


def spec_text(step: type[Step], words: Mapping[str, str]) -> str:
    """The source of a spec with its Measured line and the words of its claims as they should be.

    Raises HarnessError if Python would read anything else there, or if anything else would change.
    """
    before, measured = _text(step.source), summary.measured(step)
    after = with_measured(with_claims(before, step.__name__, words), measured)
    if after != before and not only(before, after, step.__name__, measured, words):
        raise HarnessError(f"refuses to write {step.source}: more would change than its Measured line and its claims")
    return after


def readme_text(text: str, verdicts: Verdicts) -> str:
    """The README with its tables generated anew: of each ladder, the findings and the speed, each between two markers.

    So is the rest of a line after `<!-- ID: CLAIM -->`: the verdict on that claim, with its evidence.
    """
    for marker in generated(text):
        if marker == "findings":
            content = tables.findings_table(verdicts)
        elif marker == "speed":
            content = benchmark.overview(benchmark.recorded())
        else:
            content = tables.ladder_table(marker)
        text = _between(text, marker, content)
    return CITED.sub(_with_verdict, text)


def _with_verdict(cited: re.Match[str]) -> str:
    """A claim in the README and the verdict on it; HarnessError that says where it stands if there can be none."""
    mark, step_id, claim = cited.groups()
    try:
        return f"{mark} {escape.markdown(tables.evidence(find(step_id), claim))}"
    except HarnessError as error:
        raise HarnessError(f"README.md, {mark}: {error}") from error


def generated(text: str) -> set[str]:
    """The names of the markers in the README that enclose a generated table."""
    ladders = {step.ladder for step in steps().values()}
    return {"findings", "speed", *ladders} & set(re.findall(r"^<!-- (\w+) -->$", text, flags=re.MULTILINE))


def by_hand(text: str, markers: Iterable[str]) -> str:
    """The README without its generated text: between these markers, and after a claim."""
    for marker in markers:
        text = _between(text, marker, "")
    return CITED.sub(r"\1", text)


def _between(text: str, marker: str, content: str) -> str:
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}\n{content}\n{found[2]}", text, flags=re.DOTALL)
