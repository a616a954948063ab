"""The benchmark: how fast each implementation trains a step, and how close that is to the time of its arithmetic.

The implementations take turns, A B C A B C, so that a machine that slows down slows all of them. Results are medians
over turns.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from harness.benchmark.implementations import Eager, Implementation, Notebook, OursTogether, ours
from harness.data import MNIST
from harness.device import cores
from harness.errors import HarnessError
from harness.ladder import find
from harness.provenance import environment
from harness.recipe import RandomDistortion
from harness.step import Step

_IMPLEMENTATIONS: dict[str, Callable[[type[Step], MNIST, torch.device], Implementation]] = {
    "notebook": Notebook,
    "eager": Eager,
    "ours": ours,
}
TURNS = 7
SEEDS = (1, 2, 4, 8, 16, 32)
BATCHES = (16, 32, 64, 128, 256, 512, 1024)


def bench(step: type[Step], data: MNIST, device: torch.device, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure the speed of a step on a device; the result can be written as JSON. `tell` is called with the progress.

    Raises HarnessError for a step with a teacher or distortions, which the other implementations do not have.
    """
    if step.recipe.teacher is not None or isinstance(step.recipe.augmentation, RandomDistortion):
        raise HarnessError(f"{step.id} has a teacher or distortions, which a notebook here has not; benchmark another")
    tell("three ways, in turns")
    sides = {name: implementation(step, data, device) for name, implementation in _IMPLEMENTATIONS.items()}
    trained, rates = alternate({name: side.steps() for name, side in sides.items()}, device)
    tested = {name: [_timed(side.test, device) for _ in range(3)] for name, side in sides.items()}
    batches = -(-len(data.train_labels) // step.recipe.batch_size)
    ways = {name: summary(trained[name], tested[name], batches, step.recipe.batch_size) for name in sides}
    tell("many seeds at once")
    seeds = [{"seeds": n, **_cost_of_seeds(step, data, device, n)} for n in SEEDS]
    tell("batch sizes")
    sizes = [{"batch_size": size, "images_per_s": _images_per_second(step, data, device, size)} for size in BATCHES]
    operators = _operators(sides["ours"].steps(), device)
    tell("all cores")
    cores = [] if device.type == "cuda" else on_all_cores(step, data)
    operations = operations_of_epoch(step, len(data.train_labels), len(data.test_labels))
    floor = operations / max(rates)
    return {
        "step": step.id,
        "made": {**environment(device), "batch_size": step.recipe.batch_size, "turns": TURNS},
        "ways": ways,
        "ratios": {name: round(ways[name]["epoch_s"] / ways["ours"]["epoch_s"], 2) for name in ("notebook", "eager")},
        "floor": {
            "operations": operations,
            "matrix_gflops": round(max(rates) / 1e9, 1),
            "epoch_s": round(floor, 3),
            "ours_over_floor": round(ways["ours"]["epoch_s"] / floor, 2),
        },
        "operators": operators,
        "cores": cores,
        "seeds": seeds,
        "batches": sizes,
    }


def alternate(sides: dict[str, Iterator[None]], device: torch.device) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds per training step in each turn of each side, and the matrix rate in each turn (operations per second)."""
    count = 20 if device.type == "cpu" else 200
    for side in sides.values():
        advance(side, 10)
    trained: dict[str, list[float]] = {name: [] for name in sides}
    rates = []
    for _ in range(TURNS):
        rates.append(_matrix_rate(device))
        for name, side in sides.items():
            trained[name].append(_timed(lambda side=side: advance(side, count), device) / count)  # type: ignore[misc]
    return trained, rates


def advance(steps: Iterator[None], count: int) -> None:
    """Take `count` training steps."""
    for _ in range(count):
        next(steps)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Wall seconds, from an idle device to an idle device."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def summary(trained: list[float], tested: list[float], batches: int, batch_size: int) -> dict[str, Any]:
    """Medians and ranges, and from them the time of an epoch: its training steps and one test."""
    step = statistics.median(trained)
    test = statistics.median(tested)
    return {
        "step_ms": round(1e3 * step, 3),
        "step_ms_range": [round(1e3 * min(trained), 3), round(1e3 * max(trained), 3)],
        "test_s": round(test, 3),
        "epoch_s": round(batches * step + test, 3),
        "images_per_s": round(batch_size / step),
    }


def _cost_of_seeds(step: type[Step], data: MNIST, device: torch.device, seeds: int) -> dict[str, float]:
    """Milliseconds for one step of every seed: all networks stacked, or one network after the other."""
    together = OursTogether(step, data, device, seeds).steps()
    alone = ours(step, data, device).steps()
    count = max(2, 32 // seeds) if device.type == "cpu" else 100
    for side in (together, alone):
        advance(side, 2 if device.type == "cpu" else 10)
    turns = [
        (_timed(lambda: advance(together, count), device), _timed(lambda: advance(alone, count), device))
        for _ in range(3)
    ]
    stacked, single = (1e3 * statistics.median(column) / count for column in zip(*turns, strict=True))
    return {"together_ms": round(stacked, 3), "one_by_one_ms": round(seeds * single, 3)}


def _operators(steps: Iterator[None], device: torch.device, count: int = 20) -> list[dict[str, Any]]:
    """The ten operators with the largest share of a training step, by their own time on the device."""
    advance(steps, 10)
    cuda = device.type == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if cuda else [])]
    # Without acc_events, older versions warn that events do not outlive a cycle; there is only one.
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        advance(steps, count)
        _wait(device)
    microseconds = {
        event.key: float(event.self_device_time_total if cuda else event.self_cpu_time_total)
        for event in profiler.key_averages()
    }
    total = sum(microseconds.values())
    longest = sorted(microseconds, key=microseconds.__getitem__, reverse=True)[:10]
    return [
        {
            "operator": name,
            "ms": round(microseconds[name] / count / 1e3, 3),
            "share": round(100 * microseconds[name] / total, 1),
        }
        for name in longest
    ]


def on_all_cores(step: type[Step], data: MNIST) -> list[dict[str, Any]]:
    """Training images per second of the whole machine: one process on all cores, or one single-threaded per core."""
    n = cores()
    return [
        {
            "way": name,
            "processes": processes,
            "threads": threads,
            "images_per_s": rate_of(name, step, data, processes, threads),
        }
        for name in ("notebook", "ours")
        for processes, threads in ((1, n), (n, 1))
    ]


def rate_of(name: str, step: type[Step], data: MNIST, processes: int, threads: int, count: int = 300) -> int:
    """Training images per second of processes that train at the same time, `count` steps each."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        start = manager.Barrier(processes)
        futures = [pool.submit(_rate_of_one, name, step.id, data, threads, count, start) for _ in range(processes)]
        return round(sum(future.result() for future in futures))


def _rate_of_one(name: str, step_id: str, data: MNIST, threads: int, count: int, start: Barrier) -> float:
    """Training images per second of this process, once all processes have warmed up."""
    torch.set_num_threads(threads)
    step = find(step_id)
    steps = _IMPLEMENTATIONS[name](step, data, torch.device("cpu")).steps()
    advance(steps, 10)
    start.wait()
    return count * step.recipe.batch_size / _timed(lambda: advance(steps, count), torch.device("cpu"))


def _images_per_second(step: type[Step], data: MNIST, device: torch.device, batch_size: int) -> int:
    resized: type[Step] = type(step.__name__, (step,), {"__module__": step.__module__})
    resized.recipe = replace(step.recipe, batch_size=batch_size)
    steps = ours(resized, data, device).steps()
    count = max(3, 2048 // batch_size) if device.type == "cpu" else 100
    advance(steps, min(count, 10))
    seconds = statistics.median(_timed(lambda: advance(steps, count), device) for _ in range(3))
    return round(batch_size * count / seconds)


def operations_of_epoch(step: type[Step], train: int, test: int) -> int:
    """Floating-point operations of the convolutions and matrix products of an epoch and its test.

    A multiplication and an addition count as two. Normalization, activation, dropout and augmentation are not counted,
    so that the time of these operations is a lower bound.
    """
    model = step.model().to("meta")
    images = torch.empty(2, 1, 28, 28, device="meta")
    formulas = {torch.ops.aten.convolution_backward: _backward_of_convolution}
    with FlopCounterMode(display=False, custom_mapping=formulas) as backward:
        F.nll_loss(model(images), torch.zeros(2, dtype=torch.int64, device="meta")).backward()
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model.eval()(images)
    return (int(backward.get_total_flops()) * train + int(forward.get_total_flops()) * test) // len(images)


def _backward_of_convolution(
    gradient: list[int], images: list[int], weight: list[int], *others: Any, **_: object
) -> int:
    """The gradients of the images and of the weights each take as many operations as the convolution itself.

    torch's own formula counts the weights of a grouped convolution as those of a dense one.
    """
    transposed, wanted = others[4], others[7]
    return int(conv_flop_count(images, weight, gradient, transposed) * sum(wanted[:2]))


def _matrix_rate(device: torch.device, side: int = 1024) -> float:
    """Operations per second of a float32 matrix product with the threads of the training; the best of five."""
    side *= 4 if device.type == "cuda" else 1
    left, right = torch.randn(2, side, side, device=device)
    left @ right
    return max(2 * side**3 / _timed(lambda: left @ right, device) for _ in range(5))
