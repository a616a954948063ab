"""What a figure was made with: versions, processor, commit, and a fingerprint of network and recipe."""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from harness import data, strict_json
from harness.step import Step


def fingerprint(step: type[Step]) -> str:
    """Sixteen hexadecimal digits that change when the network or the recipe does, and not with comments.

    Over the operations in order, what each is applied to and with what arguments, the settings of each layer, the names
    and shapes of the weights, and the recipe.
    """
    model = step.model()
    lines = _operations(model)
    lines += [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]
    return hashlib.sha256("\n".join([*lines, repr(step.recipe)]).encode()).hexdigest()[:16]


def _operations(model: nn.Module) -> list[str]:
    """The traced graph, a line a node; a network whose flow depends on its data is known by its layers alone."""
    try:
        graph = fx.symbolic_trace(model).graph
    except (fx.proxy.TraceError, TypeError):
        return [_shown(model)]
    layers = dict(model.named_modules())
    place = {node: f"%{number}" for number, node in enumerate(graph.nodes)}
    lines = []
    for node in graph.nodes:
        what = _shown(layers[str(node.target)]) if node.op == "call_module" else node.name
        arguments, options = fx.node.map_arg((node.args, node.kwargs), place.__getitem__)
        lines.append(f"{node.op} {what} {arguments} {options}")
    return lines


def _shown(module: nn.Module) -> str:
    """The settings of layers, the same with every torch: older ones do not show the bias of a batch normalization."""
    return re.sub(r"affine=(\w+), track_running_stats", r"affine=\1, bias=\1, track_running_stats", repr(module))


def provenance(step: type[Step], device: torch.device) -> dict[str, Any]:
    """Everything about where and with what a run is made that its figures may depend on."""
    return {
        "fingerprint": fingerprint(step),
        "data": data.digest(),
        **environment(device),
    }


def differences(made: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """In words, what something was made with that is otherwise here; empty where nothing is."""
    return ", ".join(f"{key} {made.get(key)} (here {value})" for key, value in here.items() if made.get(key) != value)


def environment(device: torch.device) -> dict[str, Any]:
    """What a figure depends on that is not the step: hardware and versions."""
    return {
        "device": device.type,
        "hardware": hardware(device),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "torchvision": version("torchvision").partition("+")[0],
        "platform": strict_json.plain(f"{platform.system()} {platform.machine()}"),
    }


def hardware(device: torch.device) -> str:
    """The name of the GPU or of the processor, as its maker gives it, less what no file of ours takes."""
    return strict_json.plain(_name(device)) or "unknown"


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> dict[str, Any]:
    """The git commit of the working folder and whether it has changes; both None outside a repository."""
    git = ["git", "-C", os.fspath(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}
