"""Tests of projects of one's own."""
