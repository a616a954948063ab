"""Trainings that leave files behind and can be resumed, on an engine."""

from harness.jobs.engines import engine_of
from harness.jobs.job import Engine, Job, News

__all__ = ["Engine", "Job", "News", "engine_of"]
