"""What the engine calls of Ray, all in one process: a test copies this file to where `import ray` finds it."""

from collections.abc import Callable, Iterator
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


def get(value: Any) -> Any:
    return value


def wait(streams: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
    return streams[:num_returns], streams[num_returns:]


def remote(**options: Any) -> Callable[[Callable[..., Iterator[Any]]], SimpleNamespace]:
    return lambda function: SimpleNamespace(remote=function)
