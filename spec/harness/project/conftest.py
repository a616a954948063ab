"""The wheel is built and installed once for all tests of this package."""

from spec.harness.support.installed import installed as installed
