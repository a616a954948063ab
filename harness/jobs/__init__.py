"""Trainings that leave files behind and can be resumed, on an engine."""

from harness.jobs.engines import engine_of
from harness.jobs.job import Engine, News, Task

__all__ = ["Engine", "News", "Task", "engine_of"]
