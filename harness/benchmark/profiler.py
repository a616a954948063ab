"""A profile of a few training steps: a trace for Perfetto, one for TensorBoard, and a table of the operators.

TensorBoard's torch-tb-profiler plugin is no longer developed, and its release 0.4.3 does not know the event categories
of torch 2: it loses the time of every CUDA kernel. It gets a copy of the trace with the names that it knows.

The steps are those of a single network, launched operator by operator on a GPU too: the kernels of a CUDA graph belong
to no operator.
"""

import gzip
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from harness import files
from harness.data.synthetic import unteachable
from harness.device import forked
from harness.step import Step
from harness.training.network import prepared
from harness.training.trainer import SingleTrainer

_SKIPPED, _WAIT, _WARMUP, ACTIVE = 10, 1, 2, 3
"""Training steps before the profiler starts, before its warm-up, in its warm-up, and those that it records."""

_BATCH = "enumerate(DataLoader)#batches.__next__"
"""The name that the plugin counts as loading data."""

_CATEGORIES = {
    "cuda_runtime": "Runtime",
    "cuda_driver": "Runtime",  # launched by Triton, and so by torch.compile
    "fwdbwd": "forward_backward",
    "user_annotation": "cpu_op",  # loading data, optimizer steps: the plugin drops their own category
    # The same span on the GPU, which the plugin would count as one more step.
    "gpu_user_annotation": "gpu_shadow",
}
"""Event categories of torch 2 and their names in torch-tb-profiler 0.4.3, which knows or may ignore the others."""


@dataclass(frozen=True)
class Trace:
    """The files of one profile, and the first rows of its table of operators."""

    perfetto: Path
    tensorboard: Path
    operators: Path
    table: str


def trace(step: type[Step], device: torch.device, folder: Path) -> Trace:
    """Profile a few training steps on synthetic images and write the files to folder/<ladder>/<step>/.

    TensorBoard takes `folder` as its --logdir and shows the step's id as the name of the run. Raises HarnessError if
    the network's output is not N x 10 or the folder cannot be written.
    """
    # The plugin looks for files named <worker>.<time>.pt.trace.json.gz.
    name = f"{device.type}.{time.time_ns()}"
    run = folder / step.id
    perfetto, tensorboard, text = (
        run / f"{name}.{suffix}" for suffix in ("perfetto.json.gz", "pt.trace.json.gz", "operators.txt")
    )
    with files.writable(folder, "name another folder with --out"):
        run.mkdir(parents=True, exist_ok=True)
        profiler = _profiled(step, device)
        profiler.export_chrome_trace(str(perfetto))
        with gzip.open(perfetto, "rt", encoding="utf-8") as native:
            copy = for_plugin(json.load(native))
        with gzip.open(tensorboard, "wt", encoding="utf-8") as known:
            json.dump(copy, known)
        operators = profiler.key_averages()
        text.write_text(_table(operators, device, -1), encoding="utf-8")
    return Trace(perfetto, tensorboard, text, _table(operators, device, 20))


def _profiled(step: type[Step], device: torch.device) -> profile:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    total = _SKIPPED + _WAIT + _WARMUP + ACTIVE
    with forked(device):
        torch.manual_seed(0)
        model = prepared(step, step.network(), device)
        model.train()
        trainer = SingleTrainer(model, step.recipe, unteachable(total * step.recipe.batch_size).to(device), seed=0)
        batches = iter(trainer.batches())
        profiler = profile(
            activities=activities,
            schedule=schedule(skip_first=_SKIPPED, wait=_WAIT, warmup=_WARMUP, active=ACTIVE, repeat=1),
            record_shapes=True,
            profile_memory=True,
            with_stack=True,
            acc_events=True,  # older versions warn that events do not outlive a cycle; there is only one
        )
        with profiler:
            for number in range(total):
                with record_function(_BATCH):
                    images, labels = next(batches)
                trainer.set_rate(number)
                trainer.train_step(images, labels)
                profiler.step()
    return profiler


def for_plugin(trace: dict[str, Any]) -> dict[str, Any]:
    """A copy of a Chrome trace by torch, with the event categories of torch-tb-profiler 0.4.3."""
    return {**trace, "traceEvents": [_for_plugin(event) for event in trace["traceEvents"]]}


def _for_plugin(event: dict[str, Any]) -> dict[str, Any]:
    category = event.get("cat")
    if category not in _CATEGORIES:
        return event
    event = {**event, "cat": _CATEGORIES[category]}
    if event["cat"] == "Runtime":
        # torch 2 gives no id to a call outside of all operators; it had 0 before, without which it joins a module.
        event["args"] = {"External id": 0, **event.get("args", {})}
    return event


def _table(operators: Any, device: torch.device, rows: int) -> str:
    # The operators by the time that they themselves take on the device, without those that they call; -1 for all.
    order = f"self_{device.type}_time_total"
    table: str = operators.table(sort_by=order, row_limit=rows, max_name_column_width=50)
    return table
