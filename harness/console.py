"""Where the verbs print their tables."""

import sys

from rich.console import Console


def console() -> Console:
    """Standard output, as wide as its terminal; 120 columns in a file or a pipe, where rich would cut at 80."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)
