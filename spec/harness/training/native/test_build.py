"""A C++ file becomes a library once, whatever interrupts it; most of these tests run the compiler of this machine."""

import ctypes
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import HarnessError
from harness.training.native import build as module
from harness.training.native.build import COMPILERS, Library, build
from spec.harness.support.paths import ROOT

COMPILER = next(filter(None, map(shutil.which, COMPILERS)), None)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
BUILD = """
import pathlib, signal, sys
from harness.training.native.build import build

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
print(build(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the compiler that is found on the PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CXXFLAGS", raising=False)
    return tmp_path / "home" / "mnist-ladders" / "native"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "answer.cpp", "42")


def written(path: Path, answer: str) -> Path:
    path.write_text(f'extern "C" int answer() {{ return {answer}; }}\n')
    return path


def answer(library: Library) -> int:
    return int(ctypes.CDLL(str(library.path)).answer())


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """CXX as a script: it writes its arguments to a log, does what it is told, and then compiles."""

    def put(commands: str) -> Path:
        path = tmp_path / "cxx"
        path.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n{commands}\nexec {COMPILER} "$@"\n')
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))
        return tmp_path / "log"

    return put


def compiled(log: Path) -> int:
    """How many libraries the script was asked for."""
    return len(re.findall(" -o ", log.read_text()))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def started(source: Path) -> subprocess.Popen[str]:
    """Another process that builds the source."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BUILD, str(source)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_library_is_built_and_can_be_called(source: Path, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    library = build(source)
    assert answer(library) == 42
    assert library.path.parent == cache
    assert library.compiler
    assert library.compiler.isprintable()
    assert {"-std=c++17", "-O3", "-ffp-contract=off"} <= set(library.flags.split())
    assert "-ffast-math" not in library.flags
    assert capfd.readouterr() == ("", "")


def test_it_is_compiled_once(source: Path, script: Callable[[str], Path]) -> None:
    log = script("")
    first = build(source)
    assert compiled(log) == 1
    assert build(source) == first
    assert compiled(log) == 1


def test_another_source_compiler_or_cpu_has_another_library(
    source: Path, tmp_path: Path, script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = [build(source), build(written(source, "43"))]
    with monkeypatch.context() as patch:
        patch.setattr(module, "_cpu", lambda: "another")
        libraries.append(build(source))
    script('[ "$1" = --version ] && echo newer')
    libraries.append(build(source))
    assert len({library.path for library in libraries}) == 4
    assert [answer(library) for library in libraries] == [42, 43, 43, 43]


def test_the_cpu_is_known_by_its_instructions() -> None:
    assert module._cpu()
    if (cpu := Path("/proc/cpuinfo")).exists():
        lines = {line for line in cpu.read_text().splitlines() if line.startswith(("flags", "Features"))}
        assert lines <= set(module._cpu().splitlines())
        assert "MHz" not in module._cpu()  # it varies


def test_a_cpu_of_macos_is_known_by_its_name_and_its_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There sysctl prints what it is asked for; this one prints what that was."""
    (tmp_path / "sysctl").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "sysctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    facts = ("brand_string", "features", "leaf7_features")
    assert module._cpu().split() == ["-n", *(f"machdep.cpu.{fact}" for fact in facts)]


def test_a_damaged_library_is_built_again(source: Path) -> None:
    path = build(source).path
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-1] + b"?"):
        path.write_bytes(damaged)
        assert build(source).path == path
        assert path.read_bytes() == whole


def test_cxx_may_have_arguments(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(source, "ANSWER")
    monkeypatch.setenv("CXX", f"{COMPILER} -DANSWER=7 '-DOTHER=a b'")
    library = build(source)
    assert answer(library) == 7
    assert library.flags.startswith("-DANSWER=7 -DOTHER=a b -std=c++17")
    monkeypatch.setenv("CXX", f"{COMPILER} -DANSWER=8")
    assert answer(build(source)) == 8


@pytest.mark.parametrize("flag", ["-ffast-math", "-funsafe-math-optimizations", "-ffinite-math-only"])
def test_a_compiler_that_is_told_to_be_fast_and_loose_is_told_not_to_be(
    source: Path, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(source, "[] { volatile double x = __builtin_inf(); return __builtin_isfinite(x) ? 1 : 2; }()")
    monkeypatch.setenv("CXX", f"{COMPILER} {flag}")
    assert answer(build(source)) == 2
    tiny = torch.full((100,), 1e-39)
    assert (tiny * 0.5 > 0).all()  # which loading a library with fast mathematics would change for all that follows


def test_what_is_no_file_in_the_cache_is_replaced(source: Path) -> None:
    path = build(source).path.with_suffix(".sha256")
    path.unlink()
    os.mkfifo(path)  # whose reader would wait for ever
    assert answer(build(source)) == 42
    assert path.is_file()


def test_cxxflags_change_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = build(source)
    monkeypatch.setenv("CXXFLAGS", "-ffast-math")
    assert build(source) == library


def test_a_compiler_that_does_not_know_the_cpu_builds_without(source: Path, script: Callable[[str], Path]) -> None:
    script('case "$*" in *=native*) echo "error: bad value" >&2; exit 1;; esac')
    library = build(source)
    assert answer(library) == 42
    assert "native" not in library.flags


def test_without_a_compiler_the_error_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r"^no C\+\+ compiler: none of c\+\+, g\+\+, clang\+\+ is on the PATH"):
        build(source)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("no/such -x", r"^CXX is no/such -x, which cannot be found; name another C\+\+ compiler with CXX$"),
        ("g++ '", r"^CXX is g\+\+ ', which is no command \(No closing quotation\)$"),
        ("{tmp}/mute", r"^/.*/mute cannot be run: exit status 1; name another C\+\+ compiler with CXX$"),
        ("{tmp}/empty", r"^/.*/empty cannot be run: Exec format error; name another"),
    ],
)
def test_a_cxx_that_cannot_be_run_is_named(
    source: Path, tmp_path: Path, named: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("empty", ""), ("mute", "#!/bin/sh\nexit 1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("CXX", named.format(tmp=tmp_path))
    with pytest.raises(HarnessError, match=message):
        build(source)


def test_an_error_of_the_source_is_named(source: Path, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(source, "forty_two")
    with pytest.raises(HarnessError, match=r"^answer.cpp cannot be compiled with /.*: answer.cpp:1:.* error: .*forty"):
        build(source)
    assert [path.suffix for path in cache.iterdir()] in ([], [".lock"])
    assert capfd.readouterr() == ("", "")
    assert answer(build(written(source, "42"))) == 42


@pytest.mark.thorough
def test_a_compiler_that_hangs_is_ended(
    source: Path, tmp_path: Path, script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(f'case "$*" in *" -o "*) sleep 600 & echo $! > {tmp_path}/child; wait;; esac')
    child, run = tmp_path / "child", module._run

    def hurried(command: list[str], folder: Path | None = None) -> tuple[int, str]:
        monkeypatch.setattr(module, "TIMEOUT", 2 if "-o" in command else 60)
        return run(command, folder)

    monkeypatch.setattr(module, "_run", hurried)
    with pytest.raises(HarnessError, match=r"/cxx took more than 2 s; name another"):
        build(source)
    until(lambda: not child.exists() or ended(int(child.read_text())))


def ended(process: int) -> bool:
    """Whether a process has ended; one that nobody waits for may remain as a zombie."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("blocked", ["home", "home/mnist-ladders/native"])
def test_a_cache_that_cannot_be_written_is_named(source: Path, tmp_path: Path, blocked: str) -> None:
    path = tmp_path / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(HarnessError, match=r"^cannot write /.*/native/answer-\w+\.so: (Not a|Is a|File exists).* XDG"):
        build(source)


@pytest.mark.parametrize("gone", ["tempdir", "source"])
def test_what_cannot_be_read_or_written_is_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    if gone == "source":
        source.unlink()
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(HarnessError, match=r"No such file or directory.*; TMPDIR names the folder for them$"):
        build(source)


def test_a_library_in_the_cache_needs_no_write(source: Path, cache: Path) -> None:
    library = build(source)
    library.path.with_suffix(".lock").mkdir()
    assert build(source) == library
    library.path.unlink()
    with pytest.raises(HarnessError, match=r"^cannot write /.*/native/answer-\w+\.so: its lock, .*: Is a.* XDG"):
        build(source)


@pytest.mark.end_to_end
def test_processes_that_start_together_build_once(source: Path, tmp_path: Path, script: Callable[[str], Path]) -> None:
    log = script(f'case "$*" in *" -o "*) while [ ! -e {tmp_path}/go ]; do sleep 0.05; done;; esac')
    processes = [started(source), started(source)]
    until(lambda: log.exists() and log.read_text().count(" -E ") == 2)
    (tmp_path / "go").touch()
    (first, _), (second, _) = (process.communicate(timeout=240) for process in processes)
    assert first.startswith("Library(")
    assert first == second
    assert compiled(log) == 1
    assert answer(build(source)) == 42
    assert compiled(log) == 1


def test_a_compiler_that_starts_while_ctrl_c_is_typed_ends_too(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    processes: list[subprocess.Popen[bytes]] = []

    def interrupted(*words: Any, **settings: Any) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(*words, **settings))
        signal.raise_signal(signal.SIGINT)
        return processes[0]

    monkeypatch.setattr(module, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module._run(["sleep", "600"])
    assert processes[0].returncode == -signal.SIGKILL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.end_to_end
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_after_a_build_that_was_interrupted_the_next_succeeds(
    source: Path, cache: Path, tmp_path: Path, script: Callable[[str], Path], signum: signal.Signals
) -> None:
    slow, child = tmp_path / "slow", tmp_path / "child"
    slow.touch()
    log = script(
        f'case "$*" in *" -o "*) [ -e {slow} ] && echo $$ > {child} && echo x > library.so && exec sleep 600;; esac'
    )
    process = started(source)
    until(lambda: child.exists() and child.read_text())
    process.send_signal(signum)
    _, errors = process.communicate(timeout=240)
    compiler = int(child.read_text())
    if signum == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert ended(compiler)
    else:
        os.kill(compiler, signal.SIGKILL)
    assert [path.suffix for path in cache.iterdir()] in ([], [".lock"])
    slow.unlink()
    assert answer(build(source)) == 42
    assert compiled(log) == 2
    assert {path.suffix for path in cache.iterdir()} - {""} == {".so", ".sha256"}
