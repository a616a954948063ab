"""A machine without a library that computes what torch does trains with eager torch, and says so in one line."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from harness import steps
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.training import native
from harness.training.choice import choose
from harness.training.native import library, plan, self_check
from harness.training.native.build import _FLAGS, Library, build
from spec.harness.evidence.records_of import step_with

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


def test_a_network_whose_plan_leaves_something_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Simple(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Conv2d(1, 4, 7), nn.ReLU(), nn.Conv2d(4, 10, 22), nn.Flatten())

    step = step_with(Path(), "mine/simple", model=Simple)
    assert native.refusal(step) is None
    monkeypatch.setattr(plan._Planner, "_relu", lambda planner: None)
    why = native.refusal(step)
    assert why is not None
    assert re.fullmatch(r"the kernels predict otherwise than it does, by \d\.\de[-+]\d\d", why)


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


@pytest.mark.end_to_end
@pytest.mark.usefixtures("_fresh")
def test_a_library_with_other_bits_is_refused_before_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody asked whether it may, as in a worker on another machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harness.training.native.build._FLAGS", (*_FLAGS, "-O1", "-freciprocal-math"))
    other = "what was built here computes other bits than elsewhere; look at CXX"
    assert native.refusal(STEP) == other
    with pytest.raises(HarnessError, match=rf"^frontier/step6 is not trained by the native kernels: {other}$"):
        native.native_trainer(STEP, 0, synthetic(64))


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


@pytest.mark.usefixtures("_fresh")
def test_a_library_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted with noexec, which takes the same exception."""
    (tmp_path / "damaged.so").write_bytes(b"no library")
    monkeypatch.setattr(library, "build", lambda _: Library(tmp_path / "damaged.so", "a compiler", "-O3"))
    why = native.refusal(STEP)
    assert why is not None
    assert why.startswith(f"cannot load {tmp_path}/damaged.so: ")
    assert why.endswith("; libraries are built into the user's cache, which XDG_CACHE_HOME moves")
    assert choose("auto", STEP, torch.device("cpu")) == ("eager", why)


@pytest.mark.usefixtures("_fresh")
def test_a_library_that_lacks_a_function_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lacking.cpp").write_text('extern "C" int use_threads() { return 0; }')
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(library, "build", lambda _: build(tmp_path / "lacking.cpp"))
    assert re.match(rf"cannot load {re.escape(str(tmp_path))}/.*: .*network_new.*XDG", native.refusal(STEP) or "")


@pytest.mark.usefixtures("_fresh")
def test_without_a_temporary_folder_the_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert native.refusal(STEP) == (
        "no temporary files can be written: No such file or directory; TMPDIR names the folder for them"
    )
