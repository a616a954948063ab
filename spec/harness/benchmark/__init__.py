"""Tests of `harness.benchmark`."""
