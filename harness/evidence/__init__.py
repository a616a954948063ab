"""What committed runs, and the network itself, show. Reads only."""

from harness.evidence.comparison import Comparison, paired

__all__ = ["Comparison", "paired"]
