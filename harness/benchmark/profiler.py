"""A profile of a few training steps: a trace for Perfetto, one for TensorBoard, and the operators as a table of text.

TensorBoard's torch-tb-profiler plugin is no longer developed and does not know the words of today's traces: in its
release 0.4.3 the time of every CUDA kernel is lost. It is given a copy in the words that it knows.

The steps are those of one network, operator by operator, on a GPU too: kernels that are launched together, as a graph
that was captured, belong to no operator any more.
"""

import gzip
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from harness.data.synthetic import unteachable
from harness.device import layout
from harness.errors import HarnessError
from harness.step import Step
from harness.training.evaluation import check_output
from harness.training.trainer import SingleTrainer

SKIPPED, WAIT, WARMUP, ACTIVE = 10, 1, 2, 3
"""Training steps: before the profiler looks at all, before it warms up, while it does, and those that it keeps."""

BATCH = "enumerate(DataLoader)#batches.__next__"
"""The name under which making a batch is recorded: the one that the plugin counts as loading data."""

CATEGORIES = {
    "cuda_runtime": "Runtime",
    "cuda_driver": "Runtime",  # launches by Triton, and so by torch.compile
    "fwdbwd": "forward_backward",
    "user_annotation": "cpu_op",  # loading data, optimizer steps: dropped under their own name
    # The shadow of such a span on the GPU would count as one more step there.
    "gpu_user_annotation": "gpu_shadow",
}
"""Event categories of torch 2 and what torch-tb-profiler 0.4.3 calls them; the others it knows or may ignore."""


@dataclass(frozen=True)
class Trace:
    """The files of one profile, and the head of the table of operators that one of them holds."""

    perfetto: Path
    tensorboard: Path
    operators: Path
    table: str


def trace(step: type[Step], device: torch.device, folder: Path) -> Trace:
    """Profile a few training steps on images that cannot teach and write what was seen to folder/<ladder>/<step>/.

    TensorBoard takes `folder` as its --logdir, and the step's id is there the name of the run. Raises HarnessError if
    the network's output is not N x 10 or the folder cannot be written.
    """
    # What ends in .pt.trace.json.gz, with a worker and a time before it, is what the plugin looks for.
    name = f"{device.type}.{time.time_ns()}"
    place = folder / step.id
    perfetto, tensorboard, text = (
        place / f"{name}.{suffix}" for suffix in ("perfetto.json.gz", "pt.trace.json.gz", "operators.txt")
    )
    try:
        place.mkdir(parents=True, exist_ok=True)
        seen = profiled(step, device)
        seen.export_chrome_trace(str(perfetto))
        with gzip.open(perfetto, "rt", encoding="utf-8") as native:
            copy = for_plugin(json.load(native))
        with gzip.open(tensorboard, "wt", encoding="utf-8") as known:
            json.dump(copy, known)
        text.write_text(operators(seen, device, -1), encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write a trace to {folder}: {error.strerror or error}") from error
    return Trace(perfetto, tensorboard, text, operators(seen, device, 20))


def profiled(step: type[Step], device: torch.device) -> profile:
    """The profiler, stopped, after `ACTIVE` training steps that it has seen with shapes, memory and call stacks."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    total = SKIPPED + WAIT + WARMUP + ACTIVE
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        model = step.model().to(device).to(memory_format=layout(device))
        check_output(step, model, device)
        model.train()
        run = SingleTrainer(model, step.recipe, unteachable(total * step.recipe.batch_size).to(device), seed=0)
        batches = iter(run.batches())
        profiler = profile(
            activities=activities,
            schedule=schedule(skip_first=SKIPPED, wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1),
            record_shapes=True,
            profile_memory=True,
            with_stack=True,
            acc_events=True,  # as in `harness.benchmark.side_by_side`: there is one cycle alone
        )
        with profiler:
            for number in range(total):
                with record_function(BATCH):
                    images, labels = next(batches)
                run.set_rate(number)
                run.train_step(images, labels)
                profiler.step()
    return profiler


def for_plugin(trace: dict[str, Any]) -> dict[str, Any]:
    """A Chrome trace as torch writes it, in the words of torch-tb-profiler 0.4.3; the given one is left as it is."""
    return {**trace, "traceEvents": [_known(event) for event in trace["traceEvents"]]}


def _known(event: dict[str, Any]) -> dict[str, Any]:
    category = event.get("cat")
    if category not in CATEGORIES:
        return event
    event = {**event, "cat": CATEGORIES[category]}
    if event["cat"] == "Runtime":
        # A call outside of every operator has no id now and had 0 then; without one, it would be given to some module.
        event["args"] = {"External id": 0, **event.get("args", {})}
    return event


def operators(profiler: profile, device: torch.device, rows: int) -> str:
    """The operators that took most time of their own on that device, the longest first: so many, or all for -1."""
    order = f"self_{device.type}_time_total"
    table: str = profiler.key_averages().table(sort_by=order, row_limit=rows, max_name_column_width=50)
    return table
