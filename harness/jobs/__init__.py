"""Trainings that leave files behind and can be resumed, on an engine."""

from harness.jobs.dispatch import run_jobs
from harness.jobs.engines import engine_of
from harness.jobs.job import Engine, Job, Request
from harness.jobs.resume import Resumable, find_resumable

__all__ = ["Engine", "Job", "Request", "Resumable", "engine_of", "find_resumable", "run_jobs"]
