"""How fast the cores of a machine train together: as one process of all threads, and as one process each.

Processes that are measured together start together: each says that it has warmed up, and waits until all have.
"""

import statistics
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch

from harness.benchmark.implementations import IMPLEMENTATIONS, WARM_UP, advance
from harness.child import Child, pickled, unpickled
from harness.data import MNIST
from harness.device import cores
from harness.errors import HarnessError, foreign
from harness.step import Step
from harness.training.trainer import with_validation_split

READY, START = "ready", "start"


def on_all_cores(
    step: type[Step], data: MNIST, implementations: list[str], turns: int, count: int
) -> list[dict[str, Any]]:
    """Training images per second in all: of one thread, of one process on all cores, and of a process per core.

    Medians over some turns of a count of training steps each. HarnessError if the step fails in one of the processes,
    or if one of them dies.
    """
    n = cores()
    settings = [(name, *setting) for name in implementations for setting in dict.fromkeys(((1, 1), (1, n), (n, 1)))]
    rates: dict[tuple[str, int, int], list[float]] = {setting: [] for setting in settings}
    workers: list[Child] = []
    try:
        for _ in range(n):
            workers.append(Child(_measure, step.id))
        _ask(workers, data.arrays(), step)  # and wait: nothing is measured while others load torch
        for _ in range(turns):
            for name, processes, threads in settings:
                _ask(workers[:processes], (name, step, threads, count), step)
                rates[name, processes, threads].append(sum(_ask(workers[:processes], START, step)))
    finally:
        for worker in workers:
            worker.end()
    return [
        {"way": name, "processes": processes, "threads": threads, "images_per_s": round(statistics.median(found))}
        for (name, processes, threads), found in rates.items()
    ]


def _ask(workers: list[Child], question: Any, step: type[Step]) -> list[Any]:
    """The answers of all workers to a question that is sent to all first; HarnessError if one failed or died."""
    with foreign("sending it to a worker", step.id):
        raw = pickled(question)
    for worker in workers:
        worker.send(raw)
    return [_answer(worker, step) for worker in workers]


def _answer(worker: Child, step: type[Step]) -> Any:
    try:
        answer = worker.receive()
    except EOFError as end:
        raise HarnessError(f"{step.id}: a process that measured it died ({end})") from end
    if isinstance(answer, HarnessError):
        raise answer
    return answer


def _measure(connection: Connection, name: str) -> None:
    """Receive the images, and then measure one setting after the other, until the other end of the pipe is closed."""
    with suppress(EOFError, OSError):  # of the connection alone: our parent is gone
        data = MNIST.of_arrays(connection.recv())
        connection.send(READY)
        while True:
            raw = connection.recv_bytes()
            try:
                with foreign("loading it", name):
                    implementation, step, threads, count = unpickled(raw)
                with foreign("its recipe", name):
                    torch.set_num_threads(threads)
                    steps = IMPLEMENTATIONS[implementation](step, data, torch.device("cpu")).steps()
                    advance(steps, WARM_UP)
                connection.send(READY)
                connection.recv()
                with foreign("its recipe", name):
                    images = min(step.recipe.batch_size, len(with_validation_split(step.recipe, data).train_labels))
                    began = time.perf_counter()
                    advance(steps, count)
                    rate = count * images / (time.perf_counter() - began)
                connection.send(rate)
            except HarnessError as error:
                connection.send(HarnessError(str(error)))
