"""Tests of `harness.data`."""
