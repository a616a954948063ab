"""Training steps of stacked networks, a line of JSON for each number of them: time and memory of one, or its kernels.

    python -m spec.harness.benchmark.stacked_steps frontier/step6 --seeds 1 5 16 --precision ieee tf32 --at-once 1 8
    python -m spec.harness.benchmark.stacked_steps frontier/step6 --seeds 1 16 --kernels

It is what is needed in order to compare a GPU with a prediction; how fast a step trains is measured by `harness bench`.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import product
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from harness.argument_types import parse_positive
from harness.benchmark.throughput import held_before
from harness.commands.arguments import add_device
from harness.data.synthetic import unteachable
from harness.device import device_of
from harness.discovery import find
from harness.errors import HarnessError, foreign
from harness.machine import set_precision
from harness.run import EAGER
from harness.step import TEST_IMAGES, Step
from harness.training.ensemble import AT_ONCE
from harness.training.train import trainer_of
from harness.training.trainer import Trainer

STEPS = {"cuda": 96, "cpu": 3}  # of the GPU whole launches, whose graph the first epoch records
ROUNDS = {"cuda": 5, "cpu": 1}


def measure(step: type[Step], seeds: int, device: torch.device, *, kernels: bool = False) -> dict[str, Any]:
    """The steps of n seeds at once, of images that cannot teach: how long they take, or their kernels."""
    steps, cuda = STEPS[device.type], device.type == "cuda"
    data = unteachable(steps * step.recipe.batch_size).to(device)
    held = held_before(device)
    trainer = trainer_of(step, range(seeds), data, EAGER)
    first = sum(_epoch(trainer, device)[0] for _ in range(2))  # with a recording
    if kernels:
        return {"step": step.id, "seeds": seeds, **_kernels(trainer, device)}
    rounds = [_epoch(trainer, device) for _ in range(ROUNDS[device.type])]
    images = torch.zeros(TEST_IMAGES if cuda else 100, 28, 28, dtype=torch.uint8, device=device)
    for _ in range(2):  # the first records a graph
        began = time.perf_counter()
        trainer.evaluate(images, torch.zeros(len(images), dtype=torch.int64, device=device))
        tested = time.perf_counter() - began
    return {
        "step": step.id,
        "seeds": seeds,
        "first_s": round(first, 2),
        "step_us": round(1e6 * median(whole for whole, _ in rounds) / steps, 1),
        "step_us_range": [round(1e6 * end(whole for whole, _ in rounds) / steps, 1) for end in (min, max)],
        "host_us": round(1e6 * median(host for _, host in rounds) / steps, 1),
        "test_ms": round(1e3 * tested, 1),
        **({"peak_mib": torch.cuda.max_memory_allocated(device) - held >> 20} if cuda else {}),
    }


def _epoch(trainer: Trainer, device: torch.device) -> tuple[float, float]:
    """Seconds of an epoch, and how many of them the host takes to launch it."""
    trainer.epoch = 0  # there are more of them than in the schedule
    began = time.perf_counter()
    trainer.launch_epoch()
    launched = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began, launched - began


def _kernels(trainer: Trainer, device: torch.device) -> dict[str, Any]:
    """How many kernels and copies a step has on a GPU, how long they are in all, and the longest by name."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as profiler:
        _epoch(trainer, device)
    events = [event for event in profiler.events() if event.device_type.name == "CUDA"]
    by_name: dict[str, float] = {}
    for event in events:
        by_name[event.name[:60]] = by_name.get(event.name[:60], 0.0) + event.device_time_total
    steps = trainer.steps_per_epoch
    if device.type == "cuda" and len(events) < steps:
        raise HarnessError(f"the profiler shows {len(events)} kernels of {steps} steps: those in graphs are not shown")
    longest = sorted(by_name.items(), key=lambda item: -item[1])[:6]
    return {
        "kernels": round(len(events) / steps, 1),
        "busy_us": round(sum(by_name.values()) / steps, 1),
        "longest_us": {name: round(spent / steps, 1) for name, spent in longest},
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the words name; what fails is a line as well, stops no other, and makes the exit status 1."""
    parser = argparse.ArgumentParser(description="Time the training steps of stacked networks.")
    parser.add_argument("ids", metavar="ID", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=parse_positive, default=[1, 5, 16], metavar="N")
    parser.add_argument("--precision", nargs="+", choices=["ieee", "tf32"], default=["ieee"])
    parser.add_argument("--at-once", nargs="+", type=parse_positive, metavar="N", help="steps of a launch on a GPU")
    parser.add_argument("--kernels", action="store_true", help="profile an epoch instead of timing some")
    add_device(parser)
    arguments = parser.parse_args(words)
    device, failed = device_of(arguments.device), False
    every = product(
        arguments.precision, arguments.at_once or [AT_ONCE.get(device.type, 1)], arguments.ids, arguments.seeds
    )
    for precision, at_once, step_id, seeds in every:
        set_precision(precision)
        line: dict[str, Any] = {"step": step_id, "seeds": seeds}
        try:
            with foreign("measuring it"), patch.dict(AT_ONCE, {device.type: at_once}):
                line = measure(find(step_id), seeds, device, kernels=arguments.kernels)
        except HarnessError as error:
            line["error"], failed = str(error), True
        print(json.dumps({"precision": precision, "at_once": at_once, **line}), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
