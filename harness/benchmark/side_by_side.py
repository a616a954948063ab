"""The benchmark: how fast each implementation trains a step, and how close that is to the time of its arithmetic.

The implementations take turns, A B C A B C, so that a machine that slows down slows all of them. Results are medians
over turns, of three for a test; the rate behind the floor is the best of all turns.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import combinations
from typing import Any

import torch

from harness.benchmark.all_cores import on_all_cores
from harness.benchmark.arithmetic import operations_of_epoch
from harness.benchmark.implementations import IMPLEMENTATIONS, WARM_UP, advance, eager, names
from harness.data import MNIST
from harness.device import out_of_memory, threads
from harness.errors import ForeignError, foreign
from harness.provenance import environment
from harness.run import NATIVE
from harness.step import Step
from harness.training.choice import choose, made_by
from harness.training.philox import mask_facts
from harness.training.train import groups
from harness.training.trainer import batches_of, with_validation_split

TURNS = 7
STEPS = {"cpu": 50, "cuda": 200}
"""Training steps in a turn of each implementation."""
SEEDS = (1, 2, 4, 8, 16, 32)


def bench(step: type[Step], data: MNIST, device: torch.device, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure the speed of a step on a device, on a CPU with one thread; the result can be written as JSON.

    `tell` is called with the progress.
    """
    with threads(1) if device.type == "cpu" else nullcontext():
        return _bench(step, data, device, tell)


def _bench(step: type[Step], data: MNIST, device: torch.device, tell: Callable[[str], None]) -> dict[str, Any]:
    with foreign("its recipe", step.id):
        result = _in_turns(step, data, device, tell)
    # On a GPU many seeds are trained at once; on a CPU each core trains its own.
    cuda = device.type == "cuda"
    tell(f"{step.id}: {'many seeds at once' if cuda else 'all cores'}")
    seeds = _many_seeds(step, data, device, tell) if cuda else []
    # Beyond that boundary: what is amiss with processes is no fault of the recipe.
    of_cores = [] if cuda else on_all_cores(step, data, list(result["ways"]), TURNS, STEPS["cpu"])
    return {**result, "cores": of_cores, "seeds": seeds}


def _in_turns(step: type[Step], data: MNIST, device: torch.device, tell: Callable[[str], None]) -> dict[str, Any]:
    """The implementations beside each other and beside the arithmetic floor, in this process."""
    implementations = names(step, device)
    tell(f"{step.id}: {', '.join(implementations)}, in turns; {choose('auto', step, device).line(step)}")
    sides = {name: IMPLEMENTATIONS[name](step, data, device) for name in implementations}
    trained, rates = alternate({name: side.steps() for name, side in sides.items()}, device)
    tests = [{name: _timed(side.test, device) for name, side in sides.items()} for _ in range(3)]
    judged = with_validation_split(step.recipe, data)
    batches = batches_of(step.recipe, len(judged.train_labels))
    images = min(batches * step.recipe.batch_size, len(judged.train_labels))
    operations = operations_of_epoch(step, images, len(judged.test_labels))
    floor = operations / max(rates)
    batch_size = min(images, step.recipe.batch_size)
    summaries = {
        name: summary(trained[name], [turn[name] for turn in tests], batches, batch_size, floor)
        for name in implementations
    }
    return {
        "step": step.id,
        "batch_size": step.recipe.batch_size,
        "made": {**environment(device), **_native_facts(implementations), **mask_facts(device), "turns": TURNS},
        "ways": summaries,
        "ratios": {
            f"{one} / {other}": round(summaries[one]["epoch_s"] / summaries[other]["epoch_s"], 2)
            for one, other in combinations(implementations, 2)
        },
        "floor": {
            "operations": operations,
            "matrix_gflops": round(max(rates) / 1e9, 1),
            "epoch_s": round(floor, 3),
        },
    }


def _native_facts(implementations: list[str]) -> dict[str, Any]:
    """Compiler, flags and numerics of the native trainer, if it takes part."""
    return {key: fact for key, fact in made_by(NATIVE).items() if key != "trainer"} if NATIVE in implementations else {}


def alternate(sides: dict[str, Iterator[None]], device: torch.device) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds per training step in each turn of each side, and the matrix rate in each turn (operations per second)."""
    count = STEPS[device.type]
    for side in sides.values():
        advance(side, WARM_UP)
    trained: dict[str, list[float]] = {name: [] for name in sides}
    rates = []
    for _ in range(TURNS):
        rates.append(_matrix_rate(device))
        for name, side in sides.items():
            trained[name].append(_timed(lambda side=side: advance(side, count), device) / count)  # type: ignore[misc]
    return trained, rates


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


def summary(trained: list[float], tested: list[float], batches: int, batch_size: int, floor: float) -> dict[str, Any]:
    """Medians and ranges, and from them the time of an epoch: its training steps and one test."""
    step = statistics.median(trained)
    test = statistics.median(tested)
    return {
        "step_ms": round(1e3 * step, 3),
        "step_ms_range": [round(1e3 * min(trained), 3), round(1e3 * max(trained), 3)],
        "test_s": round(test, 3),
        "epoch_s": round(batches * step + test, 3),
        "images_per_s": round(batch_size / step),
        "over_floor": round((batches * step + test) / floor, 2),
    }


def _many_seeds(step: type[Step], data: MNIST, device: torch.device, tell: Callable[[str], None]) -> list[Any]:
    """What a step of n seeds costs, for each n that a GPU has memory for; nothing where they train one by one."""
    found: list[Any] = []
    try:
        with foreign("its recipe", step.id):
            together = len(groups(step, range(2), device)) == 1
            for n in SEEDS if together else ():
                found.append({"seeds": n, **cost_of_seeds(step, data, device, n)})
    except ForeignError as error:
        if not out_of_memory(error):
            raise
        tell(f"{step.id}: out of memory with {SEEDS[len(found)]} seeds at once")
    return found


def cost_of_seeds(step: type[Step], data: MNIST, device: torch.device, seeds: int) -> dict[str, float]:
    """Milliseconds for one step of every seed: all networks stacked, or one network after the other."""
    sides = {"together": eager(step, data, device, seeds).steps(), "alone": eager(step, data, device).steps()}
    stacked, single = (1e3 * statistics.median(turns) for turns in alternate(sides, device)[0].values())
    return {"together_ms": round(stacked, 3), "one_by_one_ms": round(seeds * single, 3)}


def _matrix_rate(device: torch.device) -> float:
    """Operations per second of a float32 matrix product with the threads of the training; the best of five."""
    side = 4096 if device.type == "cuda" else 1024
    left, right = torch.randn(2, side, side, device=device)
    left @ right
    return max(2 * side**3 / _timed(lambda: left @ right, device) for _ in range(5))
