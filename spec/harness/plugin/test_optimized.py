"""A Python that leaves assertions out cannot check a spec."""

import subprocess
import sys

import pytest

from spec.harness.support.paths import ROOT


@pytest.mark.thorough
def test_a_python_that_leaves_assertions_out_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "spec/five_steps"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (done.stdout + done.stderr).strip() == (
        "ERROR: specs are checked by assertions, which python -O leaves out; run pytest without -O"
    )
