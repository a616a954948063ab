"""Tests of `harness.training.augmentation`."""
