"""Help answers at once: it loads the verb that was asked for, and none of the libraries that train and draw."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import VERBS, main
from spec.harness.support.paths import ROOT

MODULES_AFTER_HELP = """
import sys
from harness.__main__ import main
print("status", main(sys.argv[1:]))
print("modules", *sys.modules)
"""
HEAVY = {"torch", "numpy", "scipy", "matplotlib"}
SHARED = {f"harness.commands.{name}" for name in ("arguments", "console", "fields", "reviews", "verdict")}


@pytest.mark.thorough
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_loads_one_verb_and_nothing_heavy(verb: str) -> None:
    line = [verb, "--help"] if verb else ["--help"]
    done = subprocess.run(
        [sys.executable, "-c", MODULES_AFTER_HELP, *line], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    *shown, status, loaded = done.stdout.splitlines()
    modules = set(loaded.split())
    assert (status, done.stderr) == ("status 0", "")
    assert shown[0].startswith("usage: python -m harness")
    assert not modules & HEAVY
    verbs = {module for module in modules - SHARED if module.startswith("harness.commands.")}
    assert verbs == ({f"harness.commands.{verb}"} if verb else set())


def test_a_folder_that_is_gone_is_one_line_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    gone = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n{MODULES_AFTER_HELP}"
    done = subprocess.run(
        [sys.executable, "-c", gone, "data"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    status, loaded = done.stdout.splitlines()
    assert done.stderr == "python -m harness data: error: the current folder is gone; cd to one that exists\n"
    assert status == "status 2"
    assert not set(loaded.split()) & HEAVY


@pytest.mark.end_to_end
def test_a_python_that_leaves_docstrings_out_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "show"],
        cwd=ROOT,
        env={**os.environ, "PYTHONOPTIMIZE": "2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "python -m harness show: error: specs are docstrings, which python -OO leaves out; "
        "run it without -OO or PYTHONOPTIMIZE\n"
    )


INTERRUPTED = """
import runpy, sys

class CtrlC:
    def find_spec(self, name, *_, when=sys.argv[1]):
        if name == when:
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
sys.argv = ["harness", "show"]
runpy.run_module("harness", run_name="__main__", alter_sys=True)
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    "module", ["escape", "errors", "streams", "commands.show", "discovery", "ladder", "recipe", "step_spec"]
)
def test_ctrl_c_while_our_own_modules_are_loaded_is_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, f"harness.{module}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert re.fullmatch(r"(python -m harness show: )?interrupted\n", done.stderr)


@pytest.mark.parametrize("verb", VERBS)
def test_the_summary_of_a_verb_is_the_first_line_of_its_module(verb: str) -> None:
    documentation = importlib.import_module(f"harness.commands.{verb}").__doc__
    assert documentation
    assert documentation.splitlines()[0] == VERBS[verb]


def test_without_any_word_help_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert (out, err.split()[0]) == ("", "usage:")
    assert re.findall(r"^    (\w+)\b", err, re.MULTILINE) == list(VERBS)
