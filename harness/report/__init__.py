"""Everything that is generated for people to read."""

from harness.report.page import html
from harness.report.update import check, rewrite

__all__ = ["check", "html", "rewrite"]
