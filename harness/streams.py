"""The standard streams of a command, whatever they are connected to: a terminal, a pipe, a full disk, or nothing.

Left to itself, Python loses what is printed to a closed standard output, reports a full one in a traceback at exit,
fails at the first letter that a terminal does not have, and ends a training because nobody reads its progress.
"""

import io
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.errors import HarnessError


class ReaderGoneError(KeyboardInterrupt):
    """Nobody reads standard output any more, as after `| head`: an interrupt, since whoever asked has left."""


class _Waiting(io.FileIO):
    """A descriptor that waits for its reader, also if another program that shares it has made it non-blocking."""

    def write(self, data: Any) -> int:
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class _Results(_Waiting):
    """Standard output: what cannot be written there is lost, which is an error."""

    def write(self, data: Any) -> int:
        _clear()
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        except OSError as error:
            raise HarnessError(f"cannot write to standard output: {error.strerror}") from error


class _Messages(_Waiting):
    """Standard error: a training does not end because its messages cannot be written."""

    waiting = False
    """Whether a line is shown that goes when anything else is written."""

    def write(self, data: Any) -> int:
        self.clear()
        with suppress(OSError):
            return super().write(data)
        return len(data)

    def wait(self, line: str) -> None:
        """Show a line until anything else is written."""
        self.write(line.encode())
        self.waiting = True

    def clear(self) -> None:
        """Take that line away, if it is there."""
        if self.waiting:
            self.waiting = False
            self.write(b"\r\x1b[K")


def wait(line: str) -> None:
    """Show a line on a terminal until anything else is written: what takes its time is not silent."""
    messages = _messages()
    if messages is not None and messages.isatty():
        messages.wait(line)


def _clear() -> None:
    messages = _messages()
    if messages is not None:
        messages.clear()


def _messages() -> _Messages | None:
    """Standard error as `run` has made it; None while it is another stream, such as that of a test."""
    raw = getattr(getattr(sys.stderr, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Messages) else None


def run(main: Callable[[], int], program: str) -> int:
    """Call `main` with streams that keep these promises; the exit status, which is 2 if standard output is closed."""
    closed = sys.stdout is None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which no other file may have
    sys.stdout, sys.stderr = (
        _stream(_Results(1, "w", closefd=False), sys.stdout),
        _stream(_Messages(2, "w", closefd=False), sys.stderr),
    )
    if closed:
        print(f"{program}: error: standard output is closed; redirect it, to {os.devnull} if need be", file=sys.stderr)
        return 2
    status = main()
    _clear()
    try:
        sys.stdout.flush()
    except (HarnessError, ReaderGoneError):  # which main has reported; flushing at exit must not fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _stream(raw: io.FileIO, like: Any) -> io.TextIOWrapper:
    """A text stream with the encoding and the buffering of another, which writes what it cannot encode as an escape."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(like, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=getattr(like, "line_buffering", True) or getattr(like, "write_through", False),
    )
