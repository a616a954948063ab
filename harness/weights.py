"""Trained networks in the repository: the weights of one run beside the record that it is in.

Safetensors, which holds tensors and text and nothing that could be executed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from harness import record, strict_json
from harness.data import MNIST, write
from harness.errors import HarnessError
from harness.history import Errors, errors_of_json, finite
from harness.provenance import fingerprint
from harness.step import StepSpec
from harness.train import OnEpoch, alone, errors, layout, next_epoch

TIES = 5
"""Test images that another processor may decide otherwise: two classes as good as equal, in float32."""


@dataclass(frozen=True)
class Trained:
    """A network as it was at the end of a run, ready to predict."""

    step: type[StepSpec]
    seed: int
    network: nn.Module


def path_of(step: type[StepSpec]) -> Path:
    """The file of a step's weights, whether it exists or not."""
    return step.source.parent / "weights" / f"{step.id.partition('/')[2]}.safetensors"


def make(step: type[StepSpec], seed: int, data: MNIST, on_epoch: OnEpoch) -> Path:
    """Train a seed that the record has, on the device where the data is, and keep what it ends with.

    Raises HarnessError if the record has no such run, or the training comes to other test images than it says; then
    nothing is written.
    """
    expected = recorded(step, seed)
    device = data.train_images.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        run = alone(step, seed, data)
        while run.epoch < step.recipe.epochs:
            [outcome] = next_epoch(step, [seed], run)
            epoch = finite(outcome)
            on_epoch(step, seed, epoch)
    if different(epoch.errors, expected) > TIES:
        raise HarnessError(
            f"{step.id}, seed {seed}: this training misses other test images than that of {record.path_of(step)}; "
            "train on the hardware and with the versions that the record names"
        )
    network = run.model if run.averaged is None else run.averaged.module
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    path = path_of(step)
    about = {"step": step.id, "seed": str(seed), "fingerprint": fingerprint(step)}
    try:
        path.parent.mkdir(exist_ok=True)
        write(path, save(tensors, about))
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}; it is as it was") from error
    return path


def read(step: type[StepSpec]) -> Trained:
    """The trained network of a step; HarnessError if there is none, or the file is of another network or damaged."""
    path = path_of(step)
    try:
        raw = strict_json.read(path)
        tensors = load(raw)  # which checks the header against the bytes
        header = strict_json.parse(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        about = strict_json.mapping(header, "__metadata__")
        if strict_json.text(about, "step") != step.id or strict_json.text(about, "fingerprint") != fingerprint(step):
            raise ValueError("it is of another network or recipe")
        seed = int(strict_json.text(about, "seed"))
        network = step.model()
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise HarnessError(
            f"{step.id} has no weights; make them with: python -m harness verify {step.id} --train SEED"
        ) from error
    except (SafetensorError, ValueError, RuntimeError, OSError) as error:
        why = " ".join(f"{error}".split())[:200]
        raise HarnessError(f"{path} has not the weights of {step.id}: {why}") from error
    return Trained(step, seed, network.eval())


def missed(trained: Trained, data: MNIST) -> Errors:
    """What the network misses of the test images, on the device where they are."""
    device = data.test_images.device
    network = trained.network.to(device).to(memory_format=layout(device))
    return errors(network, data.test_images, data.test_labels, trained.step.recipe.normalize)


def recorded(step: type[StepSpec], seed: int) -> Errors:
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
