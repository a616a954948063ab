"""What a run was made with: trainer, hardware, versions, commit, and a fingerprint of its network and recipe."""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Literal

import torch
from torch import fx, nn

from harness import data, machine, strict_json
from harness.discovery import root
from harness.errors import ForeignError, HarnessError, foreign_call
from harness.hidden_settings import hidden_settings, untraced
from harness.run import EAGER, NATIVE
from harness.step import Step

EAGER_TRAINER: Mapping[str, Any] = {"trainer": EAGER}
"""What eager torch says of itself in a provenance: its version is there already."""

NATIVE_BINDING = ("fingerprint", "data", "trainer", "numerics")
"""All that the numbers of a native run depend on; `numerics` is the version of its arithmetic."""

OLDER = "a version that did not record the trainer"

COMMIT = "HARNESS_COMMIT"

Device = Literal["cpu", "cuda"]


def fingerprint(step: type[Step]) -> str:
    """Sixteen hexadecimal digits that change with the network or the recipe, and not with comments.

    The hash covers the operations in order with their arguments, those of evaluation too where they are others, the
    settings of the layers, the names and shapes of the weights, whatever `hidden_settings` finds in addition, and the
    recipe. Where the operations cannot be traced, as of a forward that unpacks a shape, the code of the network stands
    for them. Leaves torch's global generator alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # not that of a GPU, where something may be in training
        lines, hidden = _network(step)
        if hidden:
            # What another network of the step has not was drawn for this one: it comes from the seed of a run.
            again = set(_network(step)[1])
            lines += [line for line in hidden if line in again]
    return hashlib.sha256("\n".join([*lines, repr(step.recipe)]).encode()).hexdigest()[:16]


def _network(step: type[Step]) -> tuple[list[str], list[str]]:
    """A network of a step in lines of text: what its graph and its state show, and what these do not."""
    model = step.network()
    shapes = [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]
    try:
        with foreign_call("its forward pass"):
            lines = _operations(model)
            # Of another network: what a forward makes is left in the one that was traced.
            in_evaluation = _operations(step.network().eval())
    except ForeignError:
        return [_settings(model), *shapes], [*hidden_settings(model), *untraced(model)]
    if not _are_equal_but_for_training(lines, in_evaluation):
        lines += ["in evaluation", *in_evaluation]
    return [*lines, *shapes], hidden_settings(model)


def _operations(model: nn.Module) -> list[str]:
    """The operations of a network as it is now, in training or in evaluation, one per line."""
    graph = fx.Tracer().trace(model)  # without the module that would compute it
    layers = dict(model.named_modules())
    index = {node: f"%{number}" for number, node in enumerate(graph.nodes)}
    lines = []
    for node in graph.nodes:
        operation = _settings(layers[str(node.target)]) if node.op == "call_module" else node.name
        arguments, options = fx.node.map_arg((node.args, node.kwargs), index.__getitem__)
        lines.append(f"{node.op} {operation} {arguments} {options}")
    return lines


def _are_equal_but_for_training(lines: list[str], in_evaluation: list[str]) -> bool:
    """Whether no more than a switch differs, such as that which `F.dropout` is given."""
    one, other = ([line.replace("True", "False") for line in traced] for traced in (lines, in_evaluation))
    return one == other


def _settings(module: nn.Module) -> str:
    # The repr of the newest torch: older versions do not show the bias of batch normalization.
    return re.sub(r"affine=(\w+), track_running_stats", r"affine=\1, bias=\1, track_running_stats", repr(module))


def provenance(step: type[Step], device: torch.device, trainer: Mapping[str, Any] = EAGER_TRAINER) -> dict[str, Any]:
    """What the numbers of a run may depend on: the step, the data, the trainer, hardware and versions.

    `trainer` is what a trainer says of itself; see `harness.training.choice.made_by`.
    """
    return {
        "fingerprint": fingerprint(step),
        "data": data.digest(),
        **trainer,
        **environment(device),
    }


def binding(made: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a provenance in which runs of one record agree.

    That is all of it, but for runs of the native trainer: it computes the same bits on every machine.
    """
    if not is_native(made):
        return dict(made)
    return {key: made[key] for key in NATIVE_BINDING if key in made}


def trainer_name(made: Mapping[str, Any]) -> str:
    """The trainer of a run, by its provenance; eager torch if that does not say, as of older versions."""
    return str(made.get("trainer", EAGER))


def is_native(made: Mapping[str, Any]) -> bool:
    """Whether a run was trained by the native trainer, by its provenance."""
    return trainer_name(made) == NATIVE


def device_type(made: Mapping[str, Any]) -> Device:
    """Where a run was trained, by its provenance; on a CPU if that does not say."""
    return "cuda" if made.get("device") == "cuda" else "cpu"


def differences(made: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Where the provenance of a run differs from that which it would have here, in words; empty if it does not matter.

    `here` may leave out what is not known before a run starts. Where the trainers differ, only what binds both is
    compared. A run of an older version, which did not record its trainer, differs from all that name one.
    """
    older = "trainer" in here and "trainer" not in made
    words = [OLDER] if older else []
    keys = [key for key in comparable(made, here) if key in here and not (older and key not in made)]
    said = {"fingerprint": "another network or recipe, fingerprint"}
    words += [f"{said.get(key, key)} {made.get(key)} (here {here[key]})" for key in keys if made.get(key) != here[key]]
    return ", ".join(words)


def comparable(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The entries of two provenances that say whether their runs belong together, in order."""
    native = [is_native(one), is_native(other)]
    if all(native):
        return list(NATIVE_BINDING)
    return [key for key in NATIVE_BINDING if key != "numerics"] if any(native) else list({**one, **other})


def made_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether runs of two steps would be the same if the steps were: by one trainer, on one machine if it matters."""
    return all(one.get(key) == other.get(key) for key in comparable(one, other) if key != "fingerprint")


def shared(provenances: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One provenance for several runs: each entry, or how many there are of it where the runs differ."""
    values: dict[str, list[Any]] = {}
    for made in provenances:
        for key, value in made.items():
            if value not in values.setdefault(key, []):
                values[key].append(value)
    return {key: several[0] if len(several) == 1 else f"{len(several)} kinds" for key, several in values.items()}


def environment(device: torch.device) -> dict[str, Any]:
    """What numbers depend on besides the step: hardware and versions."""
    return {
        "device": device.type,
        "hardware": machine.hardware(device),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "torchvision": version("torchvision").partition("+")[0],
        "platform": strict_json.plain(f"{platform.system()} {platform.machine()}"),
        **(_of_cuda() if device.type == "cuda" else _of_cpu()),
    }


def _of_cpu() -> dict[str, Any]:
    return {"cpu": machine.cpu(), "capability": machine.capability()}


def _of_cuda() -> dict[str, Any]:
    return {
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": machine.driver(),
        "precision": machine.precision(),
    }


def commit() -> dict[str, Any]:
    """The git commit of the project and whether it has uncommitted changes; both None outside a repository.

    A copy without a repository may say what it is a copy of in the environment variable HARNESS_COMMIT; HarnessError
    if that is not the name of a commit.
    """
    try:
        head, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return {"commit": _named_commit(), "dirty": None}
    return {"commit": head.decode().strip(), "dirty": bool(status.strip())}


_REPOSITORY = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
}
"""Environment variables that say which repository is meant."""


def _git(*words: str) -> bytes:
    """What git prints of the project, where names of files may be no text.

    A hook, within which this may run, names its own repository in the environment; settings of git there are kept.
    """
    own = {name: value for name, value in os.environ.items() if name not in _REPOSITORY}
    command = ["git", "-C", os.fspath(root()), *words]
    return subprocess.run(command, env=own, capture_output=True, check=True, timeout=10).stdout


def _named_commit() -> str | None:
    named = os.environ.get(COMMIT)
    if named and not re.fullmatch("[0-9a-f]{40}", named):
        raise HarnessError(f"{COMMIT} is not the name of a commit, which has 40 hexadecimal digits; mend or unset it")
    return named or None
