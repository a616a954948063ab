"""Trained networks that are committed: the weights of one run, in a folder beside the record of the run."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save as packed
from torch import Tensor, nn

from harness import files, strict_json
from harness.errors import HarnessError
from harness.provenance import fingerprint
from harness.step import Step
from harness.training.network import classifier
from harness.training.tensor_file import unpack


@dataclass(frozen=True)
class Trained:
    """The network at the end of a run, in evaluation mode."""

    step: type[Step]
    seed: int
    network: nn.Module
    digest: str = ""
    """The first 16 hexadecimal digits of the SHA-256 of the file that it was read from."""


def trained(step: type[Step], seed: int, state: Mapping[str, Tensor]) -> Trained:
    """The network that predicts, out of the state of a trainer: the average of the weights if the recipe asks for one.

    Draws from torch's global generator.
    """
    prefix = "model." if step.recipe.average is None else "average.module."
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    network = classifier(step, step.network(), torch.device("cpu"))
    network.load_state_dict(weights)
    return Trained(step, seed, network.eval())


def path_of(step: type[Step]) -> Path:
    """The file for a step's weights, which need not exist."""
    return step.file_in("weights", ".safetensors")


def read(step: type[Step]) -> Trained:
    """The trained network of a step; HarnessError if its file is missing, damaged or of another network."""
    path = path_of(step)
    try:
        raw = files.read(path)
        tensors, about = unpack(raw)
        if strict_json.text(about, "fingerprint") != fingerprint(step):
            raise ValueError("it is of another network or recipe")
        seed = strict_json.whole({"seed": int(strict_json.text(about, "seed"))}, "seed", 0, strict_json.SEEDS)
        network = classifier(step, step.network(), torch.device("cpu"))
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise HarnessError(
            f"{step.id} has no weights; make them with: python -m harness verify {step.id} --train --seed SEED"
        ) from error
    except (ValueError, RuntimeError, OSError) as error:
        reason = " ".join(f"{error}".split())[:200]
        raise HarnessError(
            f"{path} has not the weights of {step.id}: {reason}; restore it with git, or make it anew with: "
            f"python -m harness verify {step.id} --train --seed SEED"
        ) from error
    return Trained(step, seed, network.eval(), hashlib.sha256(raw).hexdigest()[:16])


def save(trained: Trained) -> Path:
    """Write the weights of a step's network atomically; HarnessError if they cannot be written."""
    step = trained.step
    tensors: dict[str, Tensor] = {
        name: value.cpu().contiguous() for name, value in trained.network.state_dict().items()
    }
    about = {"step": step.id, "seed": str(trained.seed), "fingerprint": fingerprint(step)}
    with _locked(step) as path:
        files.write(path, packed(tensors, about))
    return path


def probe(step: type[Step]) -> None:
    """Raise HarnessError if the weights of a step cannot be written, before they are trained."""
    with _locked(step) as path:
        files.probe(path)
    with suppress(OSError):  # it has something in it
        path.parent.rmdir()


@contextmanager
def _locked(step: type[Step]) -> Iterator[Path]:
    """Hold the lock of the file for a step's weights, in a folder that is made."""
    path = path_of(step)
    with files.writable(path):
        path.parent.mkdir(exist_ok=True)
    with files.locked(path):
        yield path
