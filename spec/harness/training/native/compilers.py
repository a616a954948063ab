"""The compilers of this machine."""

import shutil

import pytest

from harness.training.native.build import COMPILERS

COMPILER = next(filter(None, map(shutil.which, COMPILERS)), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
