"""From a tagged sentence to a verdict."""

from harness.claims.sentences import tally, verdicts
from harness.claims.verdict import Verdict
from harness.claims.vocabulary import decide

__all__ = ["Verdict", "decide", "tally", "verdicts"]
