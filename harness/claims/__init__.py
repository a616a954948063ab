"""From a tagged sentence to a verdict."""

from harness.claims.sentences import sentences, tally, verdicts, word_of
from harness.claims.verdict import Verdict
from harness.claims.vocabulary import decide

__all__ = ["Verdict", "decide", "sentences", "tally", "verdicts", "word_of"]
