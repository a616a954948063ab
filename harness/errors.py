"""The one exception that is meant for people."""

from harness.escape import printable


class HarnessError(Exception):
    """Something a user can mend: the message names what was wrong and what to do about it.

    The command line prints the message as a single line and exits with status 2; a test that meets it fails with it.
    Whatever a file, a name or another library put into it, it is one line that a terminal shows and does not obey.
    """

    def __str__(self) -> str:
        return printable(super().__str__())
