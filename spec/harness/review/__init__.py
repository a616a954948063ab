"""Tests of the review of networks that somebody brings."""
