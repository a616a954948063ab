"""Whether a trained network of the repository does what the record of its run says, and how one is made."""

from pathlib import Path
from typing import Any

import torch

from harness.data import MNIST
from harness.device import layout
from harness.errors import HarnessError
from harness.evidence import record
from harness.run import Errors, Progress, errors_of_json, finite
from harness.step import Step
from harness.training import OnEpoch
from harness.training.evaluation import errors
from harness.training.train import train
from harness.training.trainer import alone
from harness.training.weights import Trained, keep

TIES = 5
"""Test images that another processor may decide otherwise: two classes as good as equal, in float32."""


def make(step: type[Step], seed: int, data: MNIST, on_epoch: OnEpoch) -> Path:
    """Train a seed that the record has, on the device where the data is, and keep what it ends with.

    Raises HarnessError if the record has no such run, or the training comes to other test images than it says; then
    nothing is written.
    """
    expected = recorded(step, seed)
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        run = alone(step, seed, data)
        for news in train(step, run, Progress([seed]), step.recipe.epochs):
            epoch = finite(news[seed])
            on_epoch(step, seed, epoch)
    if different(epoch.errors, expected) > TIES:
        raise HarnessError(
            f"{step.id}, seed {seed}: this training misses other test images than that of {record.path_of(step)}; "
            "train on the hardware and with the versions that the record names"
        )
    network = run.model if run.averaged is None else run.averaged.module
    return keep(Trained(step, seed, network))


def missed(trained: Trained, data: MNIST) -> Errors:
    """What the network misses of the test images, on the device where they are."""
    device = data.test_images.device
    network = trained.network.to(device).to(memory_format=layout(device))
    return errors(network, data.test_images, data.test_labels, trained.step.recipe.normalize)


def recorded(step: type[Step], seed: int) -> Errors:
    """What the run of that seed missed in the end, by the committed record; HarnessError if it is not there."""
    runs: list[dict[str, Any]] = (record.read(step) or {"runs": []})["runs"]
    for run in runs:
        if run["seed"] == seed and "errors" in run:
            return errors_of_json(run["errors"])
    raise HarnessError(
        f"{step.id} has no record of seed {seed}; "
        f"make one with: python -m harness train {step.id} --seeds {seed} --record"
    )


def different(one: Errors, other: Errors) -> int:
    """The number of images that only one of the two misses, or takes for something else."""
    return len({index for index, _, _ in set(one) ^ set(other)})
