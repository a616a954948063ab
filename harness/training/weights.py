"""Trained networks in the repository: the weights of one run beside the record that it is in.

Safetensors, which holds tensors and text and nothing that could be executed.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from harness import files, strict_json
from harness.errors import HarnessError
from harness.files import write
from harness.provenance import fingerprint
from harness.step import Step


@dataclass(frozen=True)
class Trained:
    """A network as it was at the end of a run, ready to predict."""

    step: type[Step]
    seed: int
    network: nn.Module


def path_of(step: type[Step]) -> Path:
    """The file of a step's weights, whether it exists or not."""
    return step.source.parent / "weights" / f"{step.id.partition('/')[2]}.safetensors"


def read(step: type[Step]) -> Trained:
    """The trained network of a step; HarnessError if there is none, or the file is of another network or damaged."""
    path = path_of(step)
    try:
        raw = files.read(path)
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


def keep(trained: Trained) -> Path:
    """Write the weights of a step's network in one move; HarnessError if they cannot be written."""
    step, path = trained.step, path_of(trained.step)
    tensors: dict[str, Tensor] = {
        name: value.cpu().contiguous() for name, value in trained.network.state_dict().items()
    }
    about = {"step": step.id, "seed": str(trained.seed), "fingerprint": fingerprint(step)}
    try:
        path.parent.mkdir(exist_ok=True)
        write(path, save(tensors, about))
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}; it is as it was") from error
    return path
