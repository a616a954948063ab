"""No test runs for ever, and none leaves a process behind."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from spec.harness.support import left_behind
from spec.harness.support.paths import ROOT

HANGING = """
import signal

import pytest


def test_fast():
    signal.pause()


@pytest.mark.slow
def test_slow(request):
    assert request.node.get_closest_marker("timeout").args == (3600,)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_slow_with_a_limit(request):
    assert request.node.get_closest_marker("timeout").args == (1200,)


@pytest.mark.slow
@pytest.mark.gpu
def test_training(request):
    assert request.node.get_closest_marker("timeout").args == (0,)
"""


def inner(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run these tests with the conftest and the settings of this repository, in this process."""
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyprojecttoml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pytester.makepyfile(**{"spec/test_hanging": HANGING})
    # The logging plugin would leave a file open in a session that is refused at once.
    return pytester.runpytest_inprocess("-p", "no:logging", "--device", "cpu", *arguments)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="pytest-timeout would end the whole process")
def test_a_test_that_hangs_is_ended_and_named(pytester: pytest.Pytester) -> None:
    result = inner(pytester, "-o", "timeout=0.1")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_fast - Failed: Timeout (>0.1*"])


def test_without_pytest_timeout_a_ladder_is_checked_all_the_same(pytester: pytest.Pytester) -> None:
    result = inner(pytester, "-p", "no:timeout", "-m", "slow")
    result.assert_outcomes(passed=3, deselected=1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_a_process_that_outlives_its_parent_is_found_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "PATIENCE", 0)
    monkeypatch.chdir(tmp_path)
    # It ends by itself if nothing finds it, and has a name: one that is only being started has none for a moment.
    orphan = "sh -c 'echo > running; sleep 20; :' > /dev/null & until [ -e running ]; do :; done"
    with pytest.raises(AssertionError, match=r"^left behind: .*sleep 20.*, started in .*::test_a_process_that"):
        leaving_nothing_behind(orphan)
    leaving_nothing_behind("true")
    assert left_behind.MARK in os.environ  # that of the session


def leaving_nothing_behind(script: str) -> None:
    """Run a script of a shell, which must leave no process behind."""
    with left_behind.none_left_behind():
        subprocess.run(["sh", "-c", script], check=True)
