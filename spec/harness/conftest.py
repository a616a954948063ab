"""Loads what cannot be loaded twice: pytester forgets the modules that its inner run imports, and torch starts once."""

import torch  # noqa: F401
import torchvision  # noqa: F401
