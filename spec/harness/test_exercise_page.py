"""What docs/exercise.md tells teachers and students to type works, in a folder of theirs and on images of ours."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import data
from harness.__main__ import main
from harness.data.synthetic import synthetic
from spec.harness.support.paths import ROOT

PAGE = (ROOT / "docs" / "exercise.md").read_text(encoding="utf-8")
PARAMETERS = 9 * (8 + 8 * 12 + 12 * 12 + 12 * 16 + 2 * 16 * 16) + 2 * (8 + 12 + 12 + 3 * 16) + 16 * 10 + 10
PASSES = f"passes, {PARAMETERS:,} parameters, 1 of 1 runs hold the goal"


def block(marker: str, language: str = "python") -> str:
    """The block of code behind a marker."""
    return PAGE.partition(f"<!-- {marker} -->\n```{language}\n")[2].partition("```")[0]


def commands(marker: str) -> list[str]:
    return block(marker, "console").splitlines()


def words(command: str) -> list[str]:
    """The words of a verb of ours, with which it is quick."""
    assert command.startswith("python -m harness ")
    return [*command.split()[3:], *(["--trainer", "eager"] if "--train" in command else [])]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the homework of the page, where MNIST is 200 images that are easy."""
    (tmp_path / "homework.py").write_text(block("homework.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda folder: synthetic(200))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_every_command_is_one_that_is_run_here() -> None:
    blocks = re.findall(r"<!-- (\w+) -->\n```console\n", PAGE)
    assert blocks == ["students", "teachers", "project", "steps", "judged"]
    assert PAGE.count("```console") == len(blocks)
    assert PAGE.count("```python") == 3


@pytest.mark.end_to_end
def test_students_see_what_will_be_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described, tried, judged = commands("students")
    assert main(words(described)) == 0
    out = capsys.readouterr().out
    assert f"{PARAMETERS:,} parameters, within the limit of 9,999; " in out
    assert not re.search(r"^- ", out, re.MULTILINE), "the example is remarked on"
    assert main(words(tried)) == 1
    assert "99.40 % held in the last epoch by 0 of 1 seed (" in capsys.readouterr().out
    assert main(words(judged.replace("--seeds 3", "--seeds 1"))) == 0
    assert "99.40 % held in each of the last 3 epochs by 1 of 1" in capsys.readouterr().out


SUBMISSIONS: dict[str, tuple[Callable[[str], str], str]] = {
    "anna": (lambda text: text, PASSES),
    "bela": (lambda text: text.replace("16, 16", "16, 24", 1).replace("block(16, 16)", "block(24, 16)"), "fails, 1"),
    "carl": (lambda text: text.replace("class Net", "class Netz"), "not judged: python -m harness check: error: "),
    "dora": (lambda text: text.replace("epochs=15", "epochs=15, validation=0.2"), "not judged: its recipe holds out"),
    "emil": (lambda text: text.replace("lr=0.05", "lr=1e-9"), f"fails, {PARAMETERS:,} parameters, 0 of 1 runs hold"),
    "fred": (
        lambda text: text.replace("\n\n\nRECIPE", "\n        self[0].requires_grad_(False)\n\n\nRECIPE"),
        f"passes, {PARAMETERS - 88:,} parameters and 88 frozen ones, 1 of 1 runs hold the goal",
    ),
    "gina": (lambda text: text + "\nprint('training')\nraise SystemExit(1)\n", PASSES),
}


@pytest.mark.end_to_end
def test_submissions_are_judged_one_by_one_whatever_they_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "submissions").mkdir()
    for name, (change, _) in SUBMISSIONS.items():
        (folder / "submissions" / f"{name}.py").write_text(change(block("homework.py")))
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": block("homework.py")}]}
    (folder / "submissions" / "hugo.ipynb").write_text(json.dumps(notebook))
    (folder / "submissions" / "notes.txt").touch()
    (folder / "judge.py").write_text(block("judge.py").replace('"--seeds", "3"', '"--seeds", "1"'))

    def judged(command: list[str], **_: Any) -> SimpleNamespace:
        assert command[:3] == [sys.executable, "-m", "harness"]
        printed.append(capsys.readouterr().out)
        status = main([*command[3:], "--trainer", "eager"])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    printed: list[str] = []
    monkeypatch.setattr(subprocess, "run", judged)
    [command] = commands("teachers")
    monkeypatch.setattr(sys, "argv", command.split()[1:])
    runpy.run_path("judge.py")
    lines = "".join([*printed, capsys.readouterr().out]).splitlines()
    expected = {name: start for name, (_, start) in SUBMISSIONS.items()} | {"hugo": PASSES}
    for line, (name, start) in zip(lines, expected.items(), strict=True):
        assert line.startswith(f"{name}: {start}")
    saved = json.loads((folder / "submissions" / "anna.json").read_text())
    assert {"parameters", "limit", "layers", "receptive_field", "remarks", "runs"} <= saved.keys()
    assert {"held", "epochs"} <= saved["runs"][0].keys()


@pytest.mark.parametrize(
    ("status", "out", "err", "line"),
    [
        (-9, "", "", "not judged: it ended without a word"),
        (0, "", "", "not judged: it ended without a word"),
        (0, "of mine\n{}", "", "not judged: it ended without a word"),
        (2, "", "before\nerror: of it\n", "not judged: error: of it"),
        (2, "{}", "error: of a seed\n", "not judged: error: of a seed"),
    ],
)
def test_a_submission_that_ends_its_process_costs_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    status: int, out: str, err: str, line: str
) -> None:  # fmt: skip
    (folder / "submissions").mkdir()
    for name in ("anna", "bela"):
        (folder / "submissions" / f"{name}.py").touch()
    (folder / "judge.py").write_text(block("judge.py"))
    ended = SimpleNamespace(returncode=status, stdout=out, stderr=err)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(sys, "argv", ["judge.py", "submissions"])
    runpy.run_path("judge.py")
    assert capsys.readouterr().out.splitlines() == [f"anna: {line}", f"bela: {line}"]
    assert not list((folder / "submissions").glob("*.json"))


IN_A_PROJECT = """
import os, sys, pytest
from harness import data
from harness.__main__ import main
from harness.data.synthetic import synthetic
data.load = lambda folder: synthetic(200)
sys.path.insert(0, "")
for line in sys.argv[1:]:
    program, *words = line.removeprefix("python -m ").split()
    if program == "cd":
        status = os.chdir(words[0])
    elif program == "pytest":
        status = pytest.main(["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not slow", "-k", "rules"])
    else:
        status = main([*words, *(["--trainer", "eager"] if words[0] == "train" else [])])
    print(f"{line}: {int(status or 0)}", flush=True)
"""


@pytest.mark.end_to_end
def test_a_ladder_is_made_and_judged_by_its_rules(folder: Path) -> None:
    [make] = commands("project")
    assert main(words(make)) == 0
    rules = folder / "exercise/spec/exercise/__init__.py"
    assert "RULES = Rules(" in rules.read_text()
    rules.write_text(block(rules.relative_to(folder).as_posix()))
    typed = [line.replace("--seeds 3", "--seeds 1") for line in (*commands("steps"), *commands("judged"))]
    # In an interpreter without the ladders of this session, and of the tests only that of the rules.
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROJECT, "cd exercise", 'pytest -m "not slow"', "cd ..", *typed],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "exercise/first is step 1: correct the step, or RULES" in done.stdout, done.stdout + done.stderr
    statuses = [line for line in done.stdout.splitlines() if line.rpartition(": ")[0] in typed]
    assert statuses == ["cd exercise: 0", 'pytest -m "not slow": 1', *(f"{line}: 0" for line in typed)], (
        done.stdout + done.stderr
    )
    assert (folder / "exercise/spec/exercise/records/wider.json").exists()
    assert (folder / "exercise/report.html").exists()
