"""What committed runs, and the network itself, show. Writes no files but records."""

from harness.evidence.comparison import Comparison, paired

__all__ = ["Comparison", "paired"]
