"""What is written back into specs and README, and that a digit changed anywhere does not go unseen."""

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import StepSpec, files, steps
from harness.errors import HarnessError
from harness.evidence import record, summary
from harness.evidence.record_folder import SUMS, checksums
from harness.provenance import fingerprint
from harness.report import check, rewrite
from harness.report.spec_source import with_claims, with_measured
from harness.step import Step
from spec.harness.evidence.records_of import keep
from spec.harness.support.other_spec import hide_ours
from spec.harness.support.paths import ROOT

RECORDED = [step for step in steps().values() if record.read(step)]

SPEC = '''"""mine, the first step."""

from torch import nn

from harness import Recipe, StepSpec


class TestTiny(StepSpec):
    """Step 1: tiny.

    Target:
        Be small.

    Result:
        Parameters: 100 · receptive field: 28

    Analysis:
        - It over-fits. [claim: on average over-fits] It has no ReLU. [claim: has no relu]
        - It is pretty. [judgement: taste]
    """

    model = lambda: nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1))  # noqa: E731
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.1, batch_size=64, epochs=6)
    variants = {"fast": {"lr": 0.2}}
'''
README = """# Mine

<!-- mine -->
<!-- /mine -->

<!-- findings -->

old
<!-- /findings -->

- over <!-- mine/tiny: on average over-fits --> old words
- fast <!-- mine/tiny@fast: has no relu --> old words
- bare <!-- mine/tiny: has no relu -->

End.
"""
CITED = """
- over <!-- mine/tiny: on average over-fits --> supported: 6 of 6 runs (95 % interval 54 to 100 %), 10 planned
- fast <!-- mine/tiny@fast: has no relu --> supported: relu: 0 times
- bare <!-- mine/tiny: has no relu --> supported: relu: 0 times

End.
"""
MEASURED = """
        Parameters: 100 · receptive field: 28
        Measured: 99.30 [99.30, 99.30] over the final 3 epochs of 6 seeds, worst 99.30; held by 0 of 6 [0.00, 0.46];
            mean best train 99.80, mean best test 99.30 (a processor, torch 2.15.0)

    Analysis:
"""
CLAIMS = """
    claims = {
        "on average over-fits": "supported",
        "has no relu": "supported",
    }
"""
RUNS = {seed: ([99.0, 99.1, 99.2, 99.8, 99.8, 99.8], [98.0, 98.1, 98.2, 99.3, 99.3, 99.3]) for seed in range(6)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own: a package `spec` with one step, seen in place of this one, and a README."""
    folder = tmp_path / "spec" / "mine"
    folder.mkdir(parents=True)
    (tmp_path / "spec" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "test_01_tiny.py").write_text(SPEC, encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    hide_ours(monkeypatch)
    yield tmp_path
    forget()


def forget() -> None:
    """Drop the modules of the project, which monkeypatch does not know of."""
    for name in [name for name in sys.modules if name == "spec" or name.startswith("spec.")]:
        del sys.modules[name]


def tiny() -> type[StepSpec]:
    """The step of the project, as its file says now, whatever its name."""
    forget()
    importlib.invalidate_caches()
    [step] = steps().values()
    assert issubclass(step, StepSpec)
    return step


def test_everything_is_written_from_the_record_and_then_at_rest(project: Path) -> None:
    spec, readme = project / "spec" / "mine" / "test_01_tiny.py", project / "README.md"
    path = keep(tiny(), RUNS, fingerprint=fingerprint(tiny()))
    assert rewrite() == [spec, path.parent / SUMS, readme]
    text = spec.read_text(encoding="utf-8")
    assert MEASURED in text
    assert text.endswith(CLAIMS)
    page = readme.read_text(encoding="utf-8")
    assert "| `mine/tiny` | 100 | 28 |  | 99.30 | 99.30 [99.30, 99.30] | 99.30 | 0 of 6 [0.00, 0.46] |" in page
    assert "| `mine` | 1 | 3 | 1 | 0 | 0 | 1 | 0 | 0 | 1 |" in page
    assert page.endswith(f"<!-- /findings -->\n{CITED}")
    sums = (path.parent / SUMS).read_text(encoding="utf-8")
    assert sums == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  tiny.json\n"
    step = tiny()
    assert rewrite() == []
    step().test_docstring()
    step().test_claims()


def test_the_pages_that_there_are_follow_the_records(project: Path) -> None:
    keep(tiny(), RUNS)
    (project / "README.md").unlink()
    (project / "docs").mkdir()
    for name in ("frontier.svg", "results.md"):
        (project / "docs" / name).touch()
    changed = rewrite()
    assert [path.name for path in changed] == ["test_01_tiny.py", SUMS, "results.md", "frontier.svg"]
    assert "on average over-fits" in (project / "docs" / "results.md").read_text(encoding="utf-8")
    assert "mine/tiny: 100 parameters, 99.30" in (project / "docs" / "frontier.svg").read_text(encoding="utf-8")
    assert not (project / "README.md").exists()


def test_without_a_step_there_is_nothing_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.report.update.steps", dict)
    assert rewrite() == []


def test_evidence_that_goes_takes_its_words_with_it(project: Path) -> None:
    path = keep(tiny(), RUNS)
    rewrite()
    path.unlink()
    tiny()
    rewrite()
    step = tiny()
    assert step.claims == {"on average over-fits": "undecided", "has no relu": "supported"}
    assert step.document().measured is None
    assert step.source.read_text(encoding="utf-8").startswith(SPEC)


def test_a_step_that_gets_another_name_keeps_its_evidence_once_its_record_has_it(project: Path) -> None:
    path = keep(tiny(), RUNS, fingerprint=fingerprint(tiny()))
    rewrite()
    before = tiny().source.read_text(encoding="utf-8")
    tiny().source.rename(project / "spec" / "mine" / "test_01_little.py")
    readme = project / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("mine/tiny", "mine/little"), encoding="utf-8")
    stray = f"{path} is of no step that there is; if a step has got another name, give its record that name too, and "
    for look in (tiny()().test_docstring, rewrite):
        with pytest.raises(HarnessError, match=re.escape(stray)):
            look()
    path.rename(path.with_name("little.json"))
    assert rewrite() == [path.parent / SUMS]
    step = tiny()
    assert step.source.read_text(encoding="utf-8") == before
    step().test_docstring()
    step().test_claims()


def test_a_claim_in_the_readme_that_is_none_is_named_with_its_place(project: Path) -> None:
    readme = project / "README.md"
    readme.write_text(README.replace("tiny: has no relu", "tiny: is pretty"), encoding="utf-8")
    told = r"^README\.md, <!-- mine/tiny: is pretty -->: mine/tiny: \[claim: is pretty\] is not in the vocabulary"
    with pytest.raises(HarnessError, match=told):
        rewrite()


def test_a_record_that_changed_since_its_checksum_is_seen_by_its_step(project: Path) -> None:
    path = keep(tiny(), RUNS, fingerprint=fingerprint(tiny()))
    told = f"{path} is not as its runs wrote it, by SHA256SUMS beside it; restore it with git, or, "
    with pytest.raises(AssertionError, match=re.escape(told)):
        tiny()().test_claims()
    rewrite()
    tiny()().test_claims()
    path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": 1.1'))
    with pytest.raises(AssertionError, match=re.escape(told)):
        tiny()().test_claims()
    (path.parent / SUMS).write_bytes(b"\xff")
    with pytest.raises(HarnessError, match=r"SHA256SUMS cannot be read: .*; restore it with git"):
        tiny()().test_claims()


def test_a_claim_that_is_not_in_the_vocabulary_changes_nothing(project: Path) -> None:
    spec = project / "spec" / "mine" / "test_01_tiny.py"
    spec.write_text(SPEC.replace("[claim: on average over-fits]", "[claim: overfits]"), encoding="utf-8")
    before = spec.read_bytes()
    for look in (check, rewrite):
        with pytest.raises(HarnessError, match=r"mine/tiny: \[claim: overfits\] is not in the vocabulary"):
            look()
    assert spec.read_bytes() == before


def test_a_check_writes_nothing(project: Path) -> None:
    keep(tiny(), RUNS)
    before = contents(project)
    check()
    assert contents(project) == before
    assert rewrite()


def test_a_check_before_the_first_record_does_not_ask_for_one_to_plot(project: Path) -> None:
    tiny()
    (project / "docs").mkdir()
    (project / "docs" / "frontier.svg").touch()
    check()
    with pytest.raises(HarnessError, match="^no step has a record to plot"):
        rewrite()


CODE = '99.30 (AMD"""+print()+"""EPYC)'


def contents(folder: Path) -> dict[Path, bytes]:
    """All files in a project that are not made by Python."""
    return {path: path.read_bytes() for path in folder.rglob("*.*") if path.suffix != ".pyc"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("escape.docstring", str),
        ("escape.docstring", lambda text: '"""('),
        ("report.spec_source.RESULT", re.compile("receptive field: 28")),
        ("report.update.with_claims", lambda text, *_: text.replace("lr=0.1", "lr=0.2")),
        ("report.update.with_claims", lambda text, *_: text + '"""'),
        ("report.update.with_claims", lambda text, *_: text),
        ("report.update.with_measured", lambda text, _: text),
        ("report.tables.findings_table", lambda _: "<!-- /findings -->"),
    ],
    ids=["code", "quotes", "place", "recipe", "syntax", "claims", "measured", "readme"],
)
def test_nothing_is_written_if_more_would_change_than_is_generated(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    keep(tiny(), RUNS)
    monkeypatch.setattr(summary, "measured", lambda _: CODE)
    monkeypatch.setattr(f"harness.{name}", value)
    before = contents(project)
    file = r"README\.md" if name == "report.tables.findings_table" else r"test_01_tiny\.py"
    with pytest.raises(HarnessError, match=rf"^refuses to write .*{file}: more would change than its "):
        rewrite()
    assert contents(project) == before


def test_code_in_a_record_is_words_in_a_spec(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tiny(), RUNS)
    monkeypatch.setattr(summary, "measured", lambda _: CODE)
    rewrite()
    assert tiny().document().measured == CODE


def test_a_file_that_cannot_be_written_is_one_line(project: Path) -> None:
    keep(tiny(), RUNS)
    (project / "README.lock").mkdir()
    with pytest.raises(HarnessError, match=r"^cannot write .*README\.md: .*; it is as it was$"):
        rewrite()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_file_keeps_its_line_ends_and_its_mark(project: Path, mark: bytes, end: bytes) -> None:
    """As editors of Windows write both; git would show every line as changed."""
    keep(tiny(), RUNS)
    places = [project / "README.md", Path(tiny().source)]
    for path in places:
        path.write_bytes(mark + path.read_bytes().replace(b"\n", end))
    assert {*places} <= {*rewrite()}
    for path in places:
        written = path.read_bytes()
        assert written.startswith(mark + (b'"""' if path.suffix == ".py" else b""))
        assert b"\xef\xbb\xbf" not in written[3:]
        assert {line.endswith(b"\r\n") for line in written.splitlines(keepends=True)} == {end == b"\r\n"}
    forget()
    assert rewrite() == []


def test_a_spec_in_another_encoding_is_to_be_saved_anew(project: Path) -> None:
    keep(tiny(), RUNS)
    source = Path(tiny().source)
    source.write_bytes(
        b"# -*- coding: latin-1 -*-\n# gr\xf6\xdfe\n" + source.read_bytes().replace("·".encode(), b"\xb7")
    )
    before = contents(project)
    with pytest.raises(HarnessError, match=r"^\S+test_01_tiny\.py is no text in UTF-8: .*; save it as UTF-8$"):
        rewrite()
    assert contents(project) == before


def test_whoever_brings_texts_up_to_the_records_waits_for_another_who_does(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tiny(), RUNS)
    monkeypatch.setattr(files, "WAIT", 0)
    before = contents(project)
    with files.locked(project / "README.md"), pytest.raises(HarnessError, match="is still being written by another"):
        rewrite()
    assert contents(project) == before
    assert rewrite()
    assert not list(project.rglob("*.lock"))


def test_what_a_killed_process_left_half_written_is_removed(project: Path) -> None:
    folder = keep(tiny(), RUNS).parent
    generated = [tiny().source, folder / "SHA256SUMS", project / "README.md", project / "docs" / "results.md"]
    (project / "docs").mkdir()
    generated[-1].touch()
    for path in generated:
        path.with_name(f"{path.name}.0123abcd.partial").write_bytes(b"half")
    rewrite()
    assert not list(project.rglob("*.partial"))


def test_claims_that_are_not_the_last_of_a_class_are_replaced_where_they_stand() -> None:
    text = 'class A:\n    claims = {"x": "refuted"}\n    b = 1\n\n\nclass B:\n    claims = {}\n'
    assert with_claims(text, "A", {"y": "supported"}) == text.replace(
        '{"x": "refuted"}', '{\n        "y": "supported",\n    }'
    )
    assert with_claims(text, "A", {}) == text.replace('    claims = {"x": "refuted"}\n', "")


def test_a_measured_line_is_replaced_and_not_added_to() -> None:
    once = with_measured(SPEC, "99.30 over the final 3 epochs")
    assert with_measured(once, "99.40 over " + "the final 3 epochs " * 9) != once
    assert with_measured(with_measured(once, "99.40 over " + "the final 3 epochs " * 9), None) == SPEC


def test_what_follows_a_measured_line_in_a_result_stays() -> None:
    label = "        Published: best test 99.35\n            (one run)"
    text = with_measured(SPEC, "99.30").replace("99.30", f"99.30\n{label}")
    assert with_measured(text, None) == SPEC.replace("field: 28", f"field: 28\n{label}")


@pytest.mark.parametrize("step", RECORDED, ids=lambda step: step.id)
def test_a_digit_changed_in_a_measured_line_fails(step: type[Step]) -> None:
    text = step.__doc__ or ""
    figure = re.search(r"Measured: \d+\.\d(\d)", text)
    assert figure
    start, end = figure.span(1)
    changed = f"{text[:start]}{9 - int(figure[1])}{text[end:]}"
    tampered: type[StepSpec] = type(step.__name__, (step,), {"__doc__": changed, "__module__": step.__module__})
    tampered.source, tampered.id = step.source, step.id
    with pytest.raises(AssertionError, match=r"the docstring says 'Measured: .* the record says .* --update-records"):
        tampered().test_docstring()


@pytest.mark.parametrize("ladder", sorted({step.ladder for step in RECORDED}))
def test_records_are_those_of_the_committed_checksums(ladder: str) -> None:
    """A digit changed in a record, even one that no text repeats, is seen here."""
    folder = ROOT / "spec" / ladder / "records"
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.json")}
    listed = {name: digest for digest, name in (line.split() for line in (folder / SUMS).read_text().splitlines())}
    other = sorted(name for name in digests | listed if digests.get(name) != listed.get(name))
    assert not other, (
        f"{folder}: {', '.join(other)} is not as its runs wrote it; restore it with git, or, if runs were added, "
        "write the checksums and texts anew with: pytest -k test_claims --update-records"
    )


def test_a_digit_changed_in_a_record_changes_its_checksum(tmp_path: Path) -> None:
    from spec.harness.evidence.records_of import step_with

    path = keep(step_with(tmp_path, "mine/tiny"), RUNS)
    before = checksums(path.parent)
    made = json.loads(path.read_text())
    made["runs"][0]["epochs"][0]["seconds"] = 1.1
    path.write_text(json.dumps(made))
    assert checksums(path.parent) != before
