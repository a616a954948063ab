"""What the engine calls of Ray, all in one process: a test copies this file to where `import ray` finds it."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

exceptions = SimpleNamespace(RayError=ConnectionError)


def init(**options: Any) -> None:
    """A cluster is there at once."""


def shutdown() -> None:
    """And gone at once."""


def cluster_resources() -> dict[str, float]:
    return {"CPU": 2.0}


def put(value: Any) -> Any:
    return value


def get(value: Any, timeout: float | None = None) -> Any:
    return value


def wait(streams: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
    return streams[:num_returns], streams[num_returns:]


def remote(**options: Any) -> Callable[[Callable[..., Any]], SimpleNamespace]:
    return lambda called: SimpleNamespace(remote=partial(_Actor, called) if isinstance(called, type) else called)


class _Actor:
    """An instance of a class, whose methods are called by `remote`."""

    def __init__(self, kind: type) -> None:
        self.instance = kind()

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=getattr(self.instance, name))
