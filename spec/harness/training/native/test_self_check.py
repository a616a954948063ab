"""A machine without a library that computes what torch does trains with eager torch, and says so in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import steps
from harness.training import native
from harness.training.native import library, self_check
from harness.training.native.build import _FLAGS, build

STEP = steps()["frontier/step6"]


@pytest.fixture
def _fresh() -> Iterator[None]:
    """What a process remembers of its library is forgotten before the test and after it."""
    caches = (library.built, library.load, self_check.fault)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_the_library_of_this_machine_is_right() -> None:
    assert self_check.fault() is None
    assert native.refusal(STEP) is None


@pytest.mark.end_to_end
@pytest.mark.usefixtures("_fresh")
def test_a_library_that_computes_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = "if (u.relu_before) v = load(p) > 0 ? v : vf{};", ""
    source = Path(library.__file__).with_name("kernels.cpp").read_text()
    assert source.count(right) == 1
    broken = tmp_path / "kernels.cpp"
    broken.write_text(source.replace(right, wrong))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harness.training.native.build._FLAGS", (*_FLAGS, "-O0"))  # in two seconds instead of eight
    monkeypatch.setattr(library, "build", lambda _: build(broken))
    why = native.refusal(STEP)
    assert why is not None
    assert "does not compute what torch does" in why
    assert "\n" not in why


@pytest.mark.usefixtures("_fresh")
def test_without_a_compiler_the_reason_is_given_and_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    why = native.refusal(STEP)
    assert why is not None
    assert "compiler" in why
    monkeypatch.undo()
    assert native.refusal(STEP) == why


@pytest.mark.end_to_end
def test_a_user_without_a_compiler_gets_one_line_and_a_training(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("CXX", None)
    script = (
        "import torch; from harness.training.choice import choose; from harness import steps;"
        "print(choose('auto', steps()['frontier/step6'], torch.device('cpu')).line(steps()['frontier/step6']))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "eager" in done.stdout
    assert "compiler" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not done.stderr
