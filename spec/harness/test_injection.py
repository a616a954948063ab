"""Whatever a record contains is plain text wherever it is written: never Python, a cell of a table, or a tag."""

import ast
import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.figure import Figure
from torch import nn

from harness import StepSpec, escape, report, strict_json
from harness.commands.compare import markdown, noise, unlike
from harness.errors import HarnessError
from harness.evidence import paired, record, summary
from harness.evidence.confusion import confusion, missed
from harness.evidence.statistics import Interval
from harness.evidence.summary import Summary
from harness.jobs import checkpoint, run_file
from harness.report import benchmark, plots, step_page, svg
from harness.report import page as report_page
from harness.report.spec_source import with_claims, with_measured
from harness.report.update import spec_text
from spec.harness.evidence.records_of import keep, step_with
from spec.harness.jobs.packed import EPOCH, packed, text_of
from spec.harness.plugin.tiny_ladder import SPEC

FUZZED = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck), database=None)
PIECES = [
    *('"', '"""', "'", "'''", "\\", '\\"""', "\\N{DIGIT ONE}", "\\x41", "{", "}", "+print()+", "# noqa"),
    *("\n", "\n\n", "\r", "\t", "  ", "\x00", "\x1b[2J", "\x85", "\u2028", "\ud800", "\u202e"),
    *("|", "`", "<b>", "<!-- /mine -->", "-->", "</dd>", "&lt;", "&", "](http://a.b)", "[a]", "https://a.b", "www.a.b"),
    *("*", "**", "_", "~~", "$", "$\\frac$", "#", "- ", "> ", "1. ", "!", "= ", "://", ":/"),
    *("Analysis:", "Measured: 1", "Result:", "Notes:\n", "[claim: on average over-fits]"),
    *("a", "word ", "é", "一" * 60, "x" * 130),
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(st.characters(), max_size=40)
RUNS = {seed: ([99.0] * 6, [99.1] * 6) for seed in range(2)}


def words(text: str) -> str:
    """The text with one space for any white space."""
    return " ".join(text.split())


def read(source: str) -> tuple[list[str], str, dict[str, str] | None, str]:
    """The parts of a spec as Python reads them: docstring without the Measured line, that line, claims, the rest."""
    tree = ast.parse(source.encode().decode())
    [spec] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    document, *rest = spec.body
    assert isinstance(document, ast.Expr)
    assert isinstance(document.value, ast.Constant)
    lines = str(document.value.value).split("\n")
    measured = [n for n, line in enumerate(lines) if line.startswith(" " * 8 + "Measured:")][:1]
    claims = [node for node in rest if isinstance(node, ast.Assign) and ast.unparse(node).startswith("claims =")]
    end = lines.index("", measured[0]) if measured else 0
    line = "\n".join(lines[measured[0] : end]).strip() if measured else ""
    spec.body = [node for node in rest if node not in claims]
    others = lines[: measured[0]] + lines[end:] if measured else lines
    return others, line, ast.literal_eval(claims[0].value) if claims else None, ast.dump(tree)


def single_trainer(label: str) -> str:
    """A text that is wrapped such that the label has a line of its own."""
    return f"{'x' * 100} {label} {'x' * 100}"


@pytest.mark.thorough
@FUZZED
@given(TEXT, TEXT)
@example(single_trainer("Analysis:"), single_trainer("Result:"))
@example(single_trainer("Measured:"), single_trainer("Analysis:"))
@example("a", "Measured:" * 30)
def test_a_measured_line_says_to_python_what_it_was_made_of(text: str, other: str) -> None:
    others, line, claims, rest = read(with_measured(with_measured(SPEC, other), text))
    assert words(line) == words(f"Measured: {text}")
    assert (others, "", claims, rest) == read(SPEC)
    assert with_measured(with_measured(SPEC, text), None) == SPEC


@pytest.mark.thorough
@FUZZED
@given(st.dictionaries(TEXT, TEXT, min_size=1, max_size=3))
def test_claims_say_to_python_what_they_are(given_words: dict[str, str]) -> None:
    once = with_claims(SPEC, "TestTiny", given_words)
    others, line, claims, rest = read(once)
    assert claims == given_words
    assert (others, line, None, rest) == read(SPEC)
    assert with_claims(once, "TestTiny", {}) == SPEC


def test_claims_that_are_annotated_are_not_written_beside_the_old_ones() -> None:
    annotated = with_claims(SPEC, "TestTiny", {"a": "b"}).replace("claims = {", "claims: dict[str, str] = {")
    assert "claims: dict" in annotated
    assert with_claims(annotated, "TestTiny", {"c": "d"}) == with_claims(SPEC, "TestTiny", {"c": "d"})


def test_plain_claims_stand_between_double_quotes() -> None:
    assert [escape.literal(text) for text in ("a", "it's", 'a "b"', "é")] == ['"a"', '"it\'s"', "'a \"b\"'", '"é"']


def test_lines_are_those_that_python_counts() -> None:
    text = 'class A:\n    x = "a\x0c\u2028b"\n    claims = {}'
    assert with_claims(text, "A", {"y": "z"}) == text.replace("{}", '{\n        "y": "z",\n    }\n')
    assert with_claims("class A:\n    x = 1", "A", {"y": "z"}).startswith("class A:\n    x = 1\n    claims")


def recorded(folder: Path) -> tuple[type[StepSpec], Path]:
    """A step whose spec is a file, and the path of its valid record."""
    step = step_with(folder, "mine/step", model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    path = keep(step, RUNS, [(5, 4, 9), (7, 2, 7)])
    made = json.loads(path.read_text())
    made["provenance"] |= {"python": "3.11.7", "platform": "Linux x86_64", "threads": 1}
    made["runs"][0]["together"] = 1
    path.write_text(json.dumps(made))
    step.source.write_text(SPEC, encoding="utf-8")
    step.__name__ = "TestTiny"
    return step, path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything inside a value; a path that ends with None is a new key of an object."""
    if path:
        yield path
    if isinstance(value, dict):
        yield (*path, None)
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of the value with `new` at a path; where the path ends with None, `new` is also the key."""
    value = inner = copy.deepcopy(value)
    for key in path[:-1]:
        inner = inner[key]
    inner[str(new) if path[-1] is None else path[-1]] = new
    return value


NUMBERS: st.SearchStrategy[Any] = st.sampled_from(
    [10**12, 10_000, 9999, -1, 0, 1, 2, 7, 1.5, True, None, "4", [], {}, [[5, 4, 9]] * 2]
)


@pytest.mark.thorough
def test_a_record_is_refused_or_says_the_same_wherever_it_is_shown(tmp_path: Path) -> None:
    step, path = recorded(tmp_path)
    sound, before = json.loads(path.read_text()), record.read_file(path, step)
    counted = {"refused": 0, "accepted": 0}

    @FUZZED
    @given(st.data(), TEXT | NUMBERS)
    def fuzz(data: st.DataObject, new: Any) -> None:
        changed = put(sound, data.draw(st.sampled_from(list(places(sound)))), new)
        path.write_text(json.dumps(changed))
        try:
            found = record.read_file(path, step)
        except HarnessError:
            counted["refused"] += 1
            return
        counted["accepted"] += 1
        others, line, claims, rest = read(spec_text(step, {"on average over-fits": "refuted"}))
        made = changed["provenance"]
        assert words(line).endswith(f"({words(made['hardware'])}, torch {words(made['torch'])})")
        assert (others, "", None, rest) == read(SPEC)
        assert claims == {"on average over-fits": "refuted"}
        assert Summary.of(found.runs).together >= 1
        assert len(missed(found.runs)) <= 10_000
        assert confusion(found.runs)
        assert all(line.isprintable() for line in [*noise(("a", "b"), (found, found)), *unlike((found, before), True)])

    fuzz()
    assert min(counted.values()) > 20


HOSTILE: dict[str, Any] = {
    "a docstring that ends": {"hardware": 'AMD"""+print()+"""EPYC'},
    "a backslash": {"hardware": "AMD\\"},
    "a control character": {"python": "3\x1b[2J"},
    "a new line": {"platform": "Linux\nx86_64"},
    "a surrogate": {"python": "\ud800"},
    "a direction": {"python": "\u202e3.11"},
    "a tag": {"hardware": "<b>"},
    "a cell": {"hardware": "a|b"},
    "text without end": {"python": "x" * 201},
    "a list": {"python": ["3"]},
    "an object": {"python": {"a": 1}},
    "a number without end": {"threads": 10**400},
    "a key with a space": {"a b": 1},
    "a key to obey": {"\x1b[2J": 1},
    "a key without end": {"x" * 51: 1},
    "too many keys": {f"x{n}": n for n in range(60)},
}
PLAIN = [
    "Intel(R) Xeon(R) CPU @ 2.20GHz",
    "AMD EPYC 9R14 96-Core Processor",
    "NVIDIA GeForce RTX 4090",
    "Intel® Core™ i7-8550U CPU         @ 1.80GHz",
    "Apple M2",
    "Intel Xeon E312xx (Sandy Bridge, IBRS update)",
    "ARMv7 Processor rev 4 (v7l)",
    "QEMU Virtual CPU version 2.5+",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
]


def readers(folder: Path, changes: dict[str, Any]) -> list[Callable[[], object]]:
    """One reader each for a record, a run file and a checkpoint, valid except for these changes of the provenance."""
    step, path = recorded(folder)
    sound = json.loads(path.read_text())
    made = {**sound["provenance"], **changes}
    path.write_text(json.dumps({**sound, "provenance": made}))
    lines = folder / "seed0.jsonl"
    head = {"step": step.id, "seed": 0, "together": 1, "commit": None, "dirty": False, **made}
    lines.write_text(f"{json.dumps(head)}\n{json.dumps(EPOCH)}\n")
    raw = packed(text_of(head=made))
    return [
        lambda: record.read_file(path, step).provenance,
        lambda: run_file.read(lines, step).provenance,
        lambda: checkpoint.unpack(raw, "it").head,
    ]


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_what_was_made_with_no_such_thing_is_refused_by_every_reader(tmp_path: Path, changes: dict[str, Any]) -> None:
    for reader in readers(tmp_path, changes):
        with pytest.raises(HarnessError) as error:
            reader()
        assert str(error.value.args[0]).isprintable()


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_machines_have_are_read_by_every_reader(tmp_path: Path, name: str) -> None:
    for reader in readers(tmp_path, {"hardware": name}):
        assert reader()["hardware"] == name  # type: ignore[index]
    step, _ = recorded(tmp_path)
    record.path_of(step).write_text(record.path_of(step).read_text().replace("a processor", name))
    assert words(read(spec_text(step, {}))[1]) == f"Measured: {summary.measured(step)}"
    assert words(name) in str(summary.measured(step))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"errors": [[10**12, 3, 8]]}, "'errors' is not a list of .* misclassified test images"),
        ({"errors": [[10_000, 3, 8]]}, "'errors' is not a list of .* misclassified test images"),
        ({"errors": [[5, 3, 8], [5, 3, 9]]}, "'errors' has a test image twice"),
        ({"errors": [[5, 3, 3]]}, "'errors' is not a list of .* misclassified test images"),
        ({"together": "4"}, "'together' is not a whole number from 1"),
        ({"together": 0}, "'together' is not a whole number from 1"),
    ],
)
def test_numbers_that_no_run_has_are_refused(tmp_path: Path, changes: dict[str, Any], shown: str) -> None:
    step, path = recorded(tmp_path)
    sound = json.loads(path.read_text())
    path.write_text(json.dumps({**sound, "runs": [{**sound["runs"][0], **changes}]}))
    with pytest.raises(HarnessError, match=f"step.json is not a record of mine/step: {shown}"):
        record.read(step)


@pytest.mark.parametrize(
    "value",
    ["\x1b", "a\nb", "\ud800", "x" * 1001, ["a", ["\x1b"]], {"\x1b": 1}, {"x" * 201: 1}, [{"a": {"b": "\x00"}}]],
)
def test_no_text_in_json_is_to_be_obeyed_wherever_it_is(value: Any) -> None:
    with pytest.raises(ValueError, match="printable") as error:
        strict_json.parse(json.dumps({"runs": [{"more": value}]}))
    assert str(error.value).isprintable()


def test_a_head_that_says_of_no_seeds_at_once_is_refused(tmp_path: Path) -> None:
    for reader in readers(tmp_path, {"together": 0})[1:]:
        with pytest.raises(HarnessError, match="'together' is not a whole number from 1"):
            reader()


@FUZZED
@given(TEXT)
def test_an_error_is_one_line_that_can_be_shown(text: str) -> None:
    shown = str(HarnessError(f"bad: {text}"))
    assert shown.isprintable()
    assert not text.isprintable() or shown == f"bad: {text}"


MARKDOWN = MarkdownIt("commonmark").enable("table").enable("strikethrough")


def inlines(text: str) -> list[list[tuple[str, str]]]:
    """The content of each cell, heading and paragraph of Markdown: kinds and texts, with adjacent text joined."""
    found = []
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            merged = [("text", "")]
            for child in token.children or []:
                if child.type.startswith("text"):
                    merged[-1:] = [("text", merged[-1][1] + child.content)]
                else:
                    merged += [(child.type, child.content), ("text", "")]
            found.append([(kind, words(content)) for kind, content in merged])
    return found


@FUZZED
@given(TEXT)
@example("[a](b)")
@example("a`b")
def test_a_name_in_markdown_is_text_of_one_cell(text: str) -> None:
    shown, cell = words(escape.printable(text)), escape.markdown(text)
    table = f"| a | b |\n| --- | --- |\n| {cell} | c |\n"
    assert inlines(table)[2:] == [[("text", shown)], [("text", "c")]]
    assert inlines(f"### a {cell} b") == [[("text", words(f"a {shown} b"))]]
    assert not {"<", "|", "`"} & set(cell)
    assert "://" not in cell
    assert "www." not in cell
    code = inlines(f"| a | b |\n| --- | --- |\n| {escape.markdown_code(text)} | c |\n")
    assert len(code) == 4
    assert [kind for kind, _ in code[2] if kind != "text"] in (["code_inline"], ["html_inline"] * 2)
    assert words("".join(content for _, content in code[2]).removeprefix("<code>").removesuffix("</code>")) == shown


@pytest.mark.thorough
@FUZZED
@given(TEXT, TEXT)
def test_a_comparison_in_markdown_has_its_columns_and_points(name: str, line: str) -> None:
    found = markdown((name, "mine/b"), paired({0: 99.0, 1: 99.1}, {0: 98.0, 1: 98.1}), [f"It is: {line}"])
    *cells, point = inlines(found)
    shown = words(escape.printable(name))
    assert len(cells) == 1 + 3 * 4
    assert cells[0] == [("text", words(f"{shown} against mine/b"))]
    assert cells[2] == [("text", shown)]
    assert point == [("text", words(f"It is: {escape.printable(line)}"))]


@pytest.mark.thorough
@FUZZED
@given(TEXT)
def test_a_result_of_the_benchmark_is_text_of_one_cell(text: str) -> None:
    [result, *_] = json.loads(benchmark.path().read_text())
    changed = {
        **result,
        "step": f"s {text}",
        "made": {**result["made"], "hardware": text, "python": text, "platform": "p"},
    }
    changed["cores"] = [{**one, "way": f"o {text}"} for one in result["cores"]]
    result["cores"] = [{**one, "way": "o"} for one in result["cores"]]
    shown = words(escape.printable(text))
    assert [("text", shown)] in inlines(benchmark.overview([changed]))
    before, after = inlines(benchmark.sections([result])), inlines(benchmark.sections([changed]))
    assert len(after) == len(before)
    assert len(after[0]) == 1
    assert f"Python {shown}".strip() in after[1][0][1]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "made": {
                **dict.fromkeys(("torch", "python", "platform", "turns", "batch_size", "threads"), 1),
                "hardware": "<b>",
            }
        },
        {"made": 3},
        {"step": "\x1b"},
        {"cores": 3},
        {"seeds": [{}]},
        {"ways": {"native": {"step_ms": "fast"}}},
        {"floor": None},
    ],
    ids=str,
)
def test_results_of_the_benchmark_that_cannot_be_shown_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    [result, *_] = json.loads(benchmark.path().read_text())
    monkeypatch.setattr(benchmark, "path", lambda: tmp_path / "benchmark.json")
    benchmark.path().write_text(json.dumps([result]))
    assert benchmark.recorded() == [result]
    benchmark.path().write_text(json.dumps([{**result, **changes}]))
    with pytest.raises(HarnessError, match="benchmark.json is not what the benchmark wrote: "):
        benchmark.recorded()


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"<!-- {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_record_in_the_report_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((report_page, "frontier"), (step_page, "curves"), (step_page, "field")):
        monkeypatch.setattr(module, name, lambda *_: Markup(""))
    monkeypatch.setattr(record.Record, "outdated", False)
    step = step_with(tmp_path, "mine/tiny", receptive_field=28, title="A title")
    step.__module__ = "test_01_step"
    path = keep(step, RUNS)
    original = record.read_file(path, step)

    def tags(text: str) -> Tags:
        step.title = f"A {text}"
        return Tags(report.html([step], None, {step.id: replace(original, provenance={"hardware": text, "k": text})}))

    plain = tags("a processor").tags

    @settings(FUZZED, max_examples=50)
    @given(TEXT)
    def fuzz(text: str) -> None:
        page = tags(text.replace("`", ""))  # backquotes mark code in a title
        assert page.tags == plain
        assert text.replace("`", "") in page.text

    fuzz()


def shown_in(text: str) -> str:
    """All text of an XML document."""
    return "".join(ET.fromstring(text).itertext())


@settings(FUZZED, max_examples=50)
@given(TEXT)
def test_words_beside_a_plot_are_text(text: str) -> None:
    shown = escape.printable(text)
    assert shown in shown_in(svg.standalone(Figure(), "x", text))
    assert ET.fromstring(svg.inline(Figure(), "x", text, {})).get("aria-label") == shown


@pytest.mark.thorough
@settings(FUZZED, max_examples=20)
@given(st.text('$\\{}^_<>&"[]ab', min_size=1, max_size=12))
@example("$\\frac$")
def test_a_name_in_a_plot_is_text(name: str) -> None:
    found = {f"a{name}": Interval(99.3, 99.2, 99.4), f"b{name}": Interval(69.0, 60.0, 80.0)}
    points = [plots.Point(step, 100, interval) for step, interval in found.items()]
    shown = shown_in(svg.standalone(plots.frontier(points), "x", ""))
    assert f"a{name}" in shown
    assert f"b{name}: 69.0 %" in shown
