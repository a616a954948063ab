"""What a reviewer sees in a network that somebody brings: its layers, its sizes, and what to remark."""

from harness.review.inspection import Review, review
from harness.review.target import load

__all__ = ["Review", "load", "review"]
