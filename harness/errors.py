"""The exception that is meant for users."""

from harness.escape import printable


class HarnessError(Exception):
    """An error that a user can fix: the message says what is wrong and what to do.

    The command line prints the message and exits with status 2; a test fails with it. It is always one printable line,
    even with the content of a file or the message of another library in it.
    """

    def __str__(self) -> str:
        return printable(super().__str__())
