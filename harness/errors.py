"""The one exception that is meant for people."""


class HarnessError(Exception):
    """Something a user can mend: the message names what was wrong and what to do about it.

    The command line prints the message as a single line and exits with status 2; a test that meets it fails with it.
    """
