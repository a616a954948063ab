"""The compiler: from a C++ file to a shared library, once per source, compiler and CPU.

It writes into the user's cache only.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired

from platformdirs import user_cache_path

from harness import strict_json
from harness.child import uninterrupted
from harness.errors import HarnessError
from harness.files import TEMPORARY, locked, read, scratch, writable, write

COMPILERS = ("c++", "g++", "clang++")
TIMEOUT = 300  # seconds
_INSTEAD = "name another C++ compiler with CXX"
ADVICE = "libraries are built into the user's cache, which XDG_CACHE_HOME moves"
"""What to do where a library cannot be written, or not be loaded."""

# What a sum comes to must not depend on the compiler: no fused multiply-add that the source does not spell out, and
# never -ffast-math, which would change the sums of torch as well, or a part of it, whatever CXX says. CXXFLAGS are not
# honoured, because they could change that.
_FLAGS = (
    *("-std=c++17", "-O3", "-fno-fast-math", "-fno-unsafe-math-optimizations", "-fno-finite-math-only"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"),
    *("-shared", "-fPIC", "-pthread"),
)
_NATIVE = {"-march=native": ("x86_64", "amd64"), "-mcpu=native": ("aarch64", "arm64")}
# In /proc/cpuinfo, all that says which instructions there are, on x86 and on ARM; frequencies and numbers vary.
_IDENTITY = re.compile(r"^(?:vendor_id|cpu family|model|model name|flags|Features|CPU \w+)\s*:.*$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Library:
    """A shared library and what it was built with."""

    path: Path
    compiler: str  # the name and version, as plain text
    flags: str


def build(source: Path) -> Library:
    """The library of a C++ file that includes none of ours, from the cache or built now.

    Raises HarnessError without a compiler, if the source does not compile, and if the cache or a temporary file cannot
    be written.
    """
    try:
        return _library(source)
    except OSError as error:
        raise HarnessError(f"{source.name} cannot be compiled: {error}; {TEMPORARY}") from error


def _library(source: Path) -> Library:
    command = _command()
    version = _version(command)
    flags = _flags(command)
    code = source.read_bytes()
    parts = (os.path.realpath(command[0]), *command[1:], version, *flags, platform.machine(), _cpu())
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape") + b"\0" + code).hexdigest()
    path = user_cache_path("mnist-ladders") / "native" / f"{source.stem}-{digest[:32]}.so"
    if not _is_whole(path):
        with writable(path, ADVICE):
            path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, wait=2 * TIMEOUT, advice=ADVICE):
            if not _is_whole(path):  # the process that had the lock may have built it
                _save(path, _compile([*command, *flags], source.name, code))
    return Library(path, strict_json.plain(version.partition("\n")[0]), " ".join([*command[1:], *flags]))


def _command() -> list[str]:
    """The compiler and its arguments from CXX, or the first compiler on the PATH."""
    named = os.environ.get("CXX", "").strip()
    try:
        words = shlex.split(named) if named else [name for name in COMPILERS if shutil.which(name)][:1]
    except ValueError as error:
        raise HarnessError(f"CXX is {named}, which is no command ({error})") from error
    if not words:
        raise HarnessError(f"no C++ compiler: none of {', '.join(COMPILERS)} is on the PATH; install one")
    found = shutil.which(words[0])
    if found is None:
        raise HarnessError(f"CXX is {named}, which cannot be found; {_INSTEAD}")
    return [os.path.abspath(found), *words[1:]]  # a link is not resolved: ccache goes by its name


def _version(command: list[str]) -> str:
    status, output = _run([*command, "--version"])
    if status != 0 or not output.strip():
        raise HarnessError(f"{shlex.join(command)} cannot be run: {_reason(status, output)}; {_INSTEAD}")
    return output.strip()


def _flags(command: list[str]) -> tuple[str, ...]:
    """The flags, with one for the instructions of this CPU if the compiler knows it."""
    native = tuple(flag for flag, machines in _NATIVE.items() if platform.machine().lower() in machines)
    accepted = _run([*command, *_FLAGS, *native, "-E", "-x", "c++", os.devnull])[0] == 0
    return (*_FLAGS, *native) if accepted else _FLAGS


def _cpu() -> str:
    """All that distinguishes CPUs, so that a home folder can be shared by machines with different instructions."""
    if platform.system() == "Darwin":
        return _run(["sysctl", "-n", "machdep.cpu.brand_string", "machdep.cpu.features", "machdep.cpu.leaf7_features"])[
            1
        ]
    try:
        return "\n".join(sorted(set(_IDENTITY.findall(Path("/proc/cpuinfo").read_text(errors="replace")))))
    except OSError:
        return platform.processor()


def _is_whole(path: Path) -> bool:
    try:
        return read(path.with_suffix(".sha256")).decode() == hashlib.sha256(read(path)).hexdigest()
    except (OSError, ValueError):
        return False


def _save(path: Path, library: bytes) -> None:
    write(path, library, ADVICE)
    write(path.with_suffix(".sha256"), hashlib.sha256(library).hexdigest().encode(), ADVICE)


def _compile(command: list[str], name: str, code: bytes) -> bytes:
    """The library of a source. The bytes that are compiled are those that were hashed, and names in them are short."""
    with scratch() as folder:
        (folder / name).write_bytes(code)
        status, output = _run([*command, "-o", "library.so", name], folder)
        if status != 0:
            raise HarnessError(f"{name} cannot be compiled with {command[0]}: {_reason(status, output)}; {_INSTEAD}")
        return (folder / "library.so").read_bytes()


def _run(command: list[str], folder: Path | None = None) -> tuple[int, str]:
    """The exit status of a command and its output. If it is interrupted, all that it has started ends with it."""
    with scratch() as place, (place / "output").open("w+b") as output:
        process: Popen[bytes] | None = None
        try:
            with uninterrupted():  # lest it starts and nobody knows of it
                process = Popen(
                    command,
                    cwd=folder,
                    env={**os.environ, "LC_ALL": "C"},
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=STDOUT,
                    start_new_session=True,
                )
            process.wait(TIMEOUT)
        except OSError as error:
            return 127, f"{error.strerror}"
        except BaseException as error:
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if isinstance(error, TimeoutExpired):
                raise HarnessError(f"{command[0]} took more than {TIMEOUT} s; {_INSTEAD}") from error
            raise
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def _reason(status: int, output: str) -> str:
    """The first line that names an error, or the first line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or [f"exit status {status}"]
    return next((line for line in lines if "error:" in line or "ld: " in line), lines[0])[:300]
