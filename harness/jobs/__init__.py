"""Trainings that leave files behind and can be resumed, on an engine."""

from harness.jobs.engines import engine_of
from harness.jobs.job import Engine, Job, Update

__all__ = ["Engine", "Job", "Update", "engine_of"]
