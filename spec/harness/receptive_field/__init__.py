"""Tests of the receptive field."""
