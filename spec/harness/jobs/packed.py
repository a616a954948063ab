"""Checkpoints that a test packs by hand."""

import hashlib
import json
from typing import Any

import torch
from safetensors.torch import save

from spec.harness.jobs.faults import note as note
from spec.harness.jobs.small import call as call


def packed(text: str, **tensors: torch.Tensor) -> bytes:
    """A checkpoint with this text, these tensors and the right SHA-256."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return bytes(save(tensors, {"training": text, "sha256": digest.hexdigest()}))


def text_of(**changes: Any) -> str:
    """The text of a checkpoint before its first epoch, with changes."""
    runs = [{"seed": 0, "epochs": [], "failed": None}]
    return json.dumps({"version": 1, "step": "small/plain", "head": {}, "runs": runs, **changes})


EPOCH = {"epoch": 1, "train_accuracy": 1, "test_accuracy": 1, "train_loss": 1, "seconds": 1, "errors": []}
