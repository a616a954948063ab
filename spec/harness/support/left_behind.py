"""Processes that a session of tests started and that outlive it, found by a variable that children inherit."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "SPEC_SESSION"
PATIENCE = 10.0  # seconds that a process has to end by itself: one that was killed is not gone at once
ENDING_WITH_PYTEST = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


@contextmanager
def none_left_behind() -> Iterator[None]:
    """Mark the programs that start in the meantime; raise AssertionError if one remains, named, after killing it.

    It is named with the test that started it. Where there is no /proc, nothing is found.
    """
    before, mark = os.environ.get(MARK), f"{os.getpid()} {time.monotonic_ns()}"
    os.environ[MARK] = mark
    try:
        yield
    finally:
        os.environ.pop(MARK) if before is None else os.environ.update({MARK: before})
    deadline = time.monotonic() + PATIENCE
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert not left, "left behind: " + "; ".join(left.values())


def _marked(mark: str) -> dict[int, str]:
    """The command and the test of every process with a mark, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            variables = dict(line.partition("=")[::2] for line in _words(folder / "environ"))
            command = " ".join(_words(folder / "cmdline"))
            if variables.get(MARK) == mark and not any(server in command for server in ENDING_WITH_PYTEST):
                found[int(folder.name)] = f"{command}, started in {variables.get('PYTEST_CURRENT_TEST', 'no test')}"
    return found


def _words(path: Path) -> list[str]:
    """The words of a file of /proc, which are separated by null bytes."""
    return path.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
