"""A package `spec` of a test's own, in place of ours."""

import sys

import pytest


def hide_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next import of `spec` find another one; ours is back after the test."""
    for name in [name for name in sys.modules if name == "spec" or name.startswith("spec.")]:
        monkeypatch.delitem(sys.modules, name)
