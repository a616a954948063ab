"""The exceptions that are meant for users, and the boundary that turns those of a user's own code into them."""

import difflib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Self

from harness.escape import printable

LONGEST = 300  # characters of a foreign message; some libraries print whole tensors
_LIBRARIES = tuple(
    path + os.sep
    for path in (os.path.dirname(__file__), *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
)


class HarnessError(Exception):
    """An error that a user can fix: the message says what is wrong and what to do.

    The command line prints the message and exits with status 2; a test fails with it. It is always one printable line,
    even with the content of a file or the message of another library in it.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class ForeignError(HarnessError):
    """An exception of a user's own code in one line; the exception itself is its cause."""

    def __init__(self, what: str, whose: str = "") -> None:
        super().__init__(f"{whose}: {what}" if whose else what)
        self.what = what


class Failures:
    """What is wrong with some of several things, which stops none of the others: one HarnessError in the end.

    That is raised by the end of a `with` block, and what ended the block is the last of it. Where Ctrl-C ended it they
    are notes of that.
    """

    def __init__(self, earlier: Iterable[str] = ()) -> None:
        self.messages = list(earlier)

    def add(self, failure: HarnessError | str) -> None:
        """Note what is wrong with one of them."""
        self.messages.append(str(failure))

    @contextmanager
    def go_on(self) -> Iterator[None]:
        """Note what is wrong with one of them if that raises it, and go on."""
        try:
            yield
        except HarnessError as error:
            self.add(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if isinstance(error, HarnessError):
            self.add(error)
        elif error is not None:
            for message in dict.fromkeys(self.messages):
                error.add_note(message)
            return
        if self.messages:
            raise HarnessError("; ".join(dict.fromkeys(self.messages))) from error


@contextmanager
def foreign(stage: str, whose: str = "") -> Iterator[None]:
    """The boundary around a user's own code: whatever it raises becomes a ForeignError, SystemExit included.

    `stage` is what raises, such as "its constructor", and `whose` the step or the module that it belongs to. Of
    boundaries within each other, the innermost names the stage, since it knows best, and the outermost whose it is,
    since it knows the seed. Our own errors pass as they are, and so does Ctrl-C.
    """
    try:
        yield
    except ForeignError as error:
        raise ForeignError(error.what, whose) if whose else error from error.__cause__
    except (HarnessError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise ForeignError(f"{stage} raised {described(error)}", whose) from error


@contextmanager
def foreign_call(stage: str, whose: str = "") -> Iterator[None]:
    """The same boundary around code that is called and returns: what it prints goes to standard error.

    There nobody takes it for a result, such as a line of JSON.
    """
    with redirect_stdout(sys.stderr), foreign(stage, whose):
        yield


def described(error: BaseException) -> str:
    """An exception in one line: its type, the first line of its message, and the line of a user's code it came from."""
    try:
        first = str(error).strip().splitlines()[:1]
    except (Exception, SystemExit):  # this, too, is a user's own code
        first = []
    text = ": ".join([type(error).__name__, *(line[:LONGEST] for line in first)])
    return f"{text}{_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost line of a user's own code; nothing where none is, since a line of a library or of ours misleads."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(("<", *_LIBRARIES)):
            place = f" ({os.path.basename(file)}, line {line})"
    return "" if isinstance(error, SyntaxError) else place


def nearest(word: str, known: list[str]) -> str:
    """A phrase for an error message: the known words that are nearest to an unknown one."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4) or known[:3]
    return f"nearest: {', '.join(close)}" if close else "none are known"
