"""From a tagged sentence to a verdict."""

from harness.claims.verdict import Verdict
from harness.claims.vocabulary import by_runs, decide, sentences, tally, verdicts, word_of

__all__ = ["Verdict", "by_runs", "decide", "sentences", "tally", "verdicts", "word_of"]
