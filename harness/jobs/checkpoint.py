"""Checkpoints: everything a job needs in order to resume, as one safetensors file that is replaced as epochs end.

The tensors are the state of the networks, the optimizers and the generators. The metadata in the header is a JSON
text with the rest (the step, where it trained, the epochs so far) and the SHA-256 of both. Nothing in the file is ever
executed or unpickled, and nothing is used before it has been checked.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from harness import files, strict_json
from harness.errors import HarnessError
from harness.provenance import differences
from harness.run import Epoch, Progress, epoch_of_json
from harness.step import Step
from harness.training import tensor_file

VERSION = 1  # of the format; other versions are refused
TEXT, DIGEST = "training", "sha256"  # the keys of the metadata
LARGEST = 1 << 32  # bytes, as of 350 million weights with momentum and average; these ladders take some ten thousand


@dataclass(frozen=True)
class Checkpoint:
    """The state of a job after an epoch, or before its first."""

    step: str
    head: dict[str, Any]
    """The first line of the run files without step and seed: when, where and with what the job started."""
    progress: Progress
    state: dict[str, Tensor]

    @property
    def epoch(self) -> int:
        """Epochs finished, by the seeds that have not failed."""
        return max(_lengths(self.progress), default=0)

    def pack(self) -> bytes:
        """The bytes of a safetensors file."""
        runs = [
            {"seed": seed, "epochs": [epoch.as_json() for epoch in run], "failed": self.progress.failed.get(seed)}
            for seed, run in self.progress.epochs.items()
        ]
        text = json.dumps({"version": VERSION, "step": self.step, "head": self.head, "runs": runs})
        return bytes(save(self.state, {TEXT: text, DIGEST: _digest(text, self.state)}))

    def check(self, step: type[Step], provenance: dict[str, Any], where: str) -> None:
        """Raise HarnessError if it belongs to another step, or if its provenance differs from the given one."""
        if self.step != step.id:
            raise HarnessError(f"{where} is of {self.step}, not of {step.id}")
        if other := differences(self.head, provenance):
            raise HarnessError(f"{where} was made with {other}; go on with the same, or delete it to start anew")


def unpack(packed: bytes, where: str) -> Checkpoint:
    """The checkpoint in the bytes of a file; if they are none, a HarnessError that says `where` they are from."""
    try:
        tensors, metadata = tensor_file.unpack(packed, LARGEST)
        text = strict_json.text(metadata, TEXT, LARGEST)
        if strict_json.text(metadata, DIGEST) != _digest(text, tensors):
            raise ValueError("its SHA-256 is not that of its contents")
        rest = strict_json.parse(text)
        if (version := strict_json.whole(rest, "version", 0, 1 << 31)) != VERSION:
            raise ValueError(f"it is of version {version} of the format, and this is version {VERSION}")
        head = strict_json.facts(strict_json.field(rest, "head"))
        if {"step", "seed"} & head.keys():
            raise ValueError("its head names a step or a seed")
        return Checkpoint(strict_json.text(rest, "step"), head, _progress(rest), tensors)
    except (ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise HarnessError(f"{where} is not a checkpoint: {why}; delete it to start its runs anew") from error


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the text and of the names and bytes of the tensors, so that damage is not taken for a network."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _progress(rest: dict[str, Any]) -> Progress:
    """The runs so far; ValueError if a seed appears twice, or if seeds that did not fail differ in epochs."""
    runs = strict_json.objects(rest, "runs")
    progress = Progress(strict_json.whole(run, "seed", 0, strict_json.SEEDS) for run in runs)
    for run in runs:
        entries = enumerate(strict_json.objects(run, "epochs"), 1)
        epochs: list[Epoch] = [epoch_of_json(entry, number) for number, entry in entries]
        progress.epochs[run["seed"]] = epochs
        if run.get("failed") is not None:
            progress.failed[run["seed"]] = strict_json.text(run, "failed", strict_json.LONGEST)
    if len(progress.epochs) < len(runs) or len(_lengths(progress)) > 1:
        raise ValueError("its runs are not of different seeds and of one length")
    return progress


def _lengths(progress: Progress) -> set[int]:
    """How many epochs the seeds have that did not fail; all have the same number if the checkpoint is whole."""
    return {len(run) for seed, run in progress.epochs.items() if seed not in progress.failed}


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file; HarnessError if it cannot be read or holds none."""
    return unpack(raw(path), str(path))


def raw(path: Path) -> bytes:
    """The bytes of a file that should be a checkpoint; HarnessError if they cannot be read."""
    try:
        return files.read(path, LARGEST)
    except (OSError, ValueError) as error:
        raise HarnessError(f"{path} cannot be read: {error}; delete it to start its runs anew") from error
