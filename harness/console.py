"""Where the verbs print their tables."""

import sys

from rich.console import Console


def console() -> Console:
    """Standard output, as wide as its terminal; 120 columns in a file or a pipe, where rich would cut at 80.

    What is printed is shown as it is: brackets and colons in a name are no mark-up.
    """
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
