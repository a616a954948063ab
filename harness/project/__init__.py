"""Projects of one's own: ladders outside this checkout, made from templates."""

from harness.project.create import new_project, new_step

__all__ = ["new_project", "new_step"]
