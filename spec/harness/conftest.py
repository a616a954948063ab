"""Loads what cannot be loaded twice: pytester forgets the modules that its inner run imports, and torch starts once.

So does matplotlib, with which a run that trained draws its report.
"""

import torch  # noqa: F401
import torchvision  # noqa: F401

import harness.report  # noqa: F401
