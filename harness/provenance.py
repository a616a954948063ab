"""What a run was made with: hardware, versions, commit, and a fingerprint of its network and recipe."""

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
    """Sixteen hexadecimal digits that change with the network or the recipe, and not with comments.

    The hash covers the operations in order with their arguments, the settings of the layers, the names and shapes of
    the weights, and the recipe.
    """
    model = step.model()
    lines = _operations(model)
    lines += [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]
    return hashlib.sha256("\n".join([*lines, repr(step.recipe)]).encode()).hexdigest()[:16]


def _operations(model: nn.Module) -> list[str]:
    """The traced graph, one line per node; a network that cannot be traced is represented by its layers alone."""
    try:
        graph = fx.symbolic_trace(model).graph
    except (fx.proxy.TraceError, TypeError):
        return [_settings(model)]
    layers = dict(model.named_modules())
    index = {node: f"%{number}" for number, node in enumerate(graph.nodes)}
    lines = []
    for node in graph.nodes:
        operation = _settings(layers[str(node.target)]) if node.op == "call_module" else node.name
        arguments, options = fx.node.map_arg((node.args, node.kwargs), index.__getitem__)
        lines.append(f"{node.op} {operation} {arguments} {options}")
    return lines


def _settings(module: nn.Module) -> str:
    # The repr of the newest torch: older versions do not show the bias of batch normalization.
    return re.sub(r"affine=(\w+), track_running_stats", r"affine=\1, bias=\1, track_running_stats", repr(module))


def provenance(step: type[Step], device: torch.device) -> dict[str, Any]:
    """What the numbers of a run may depend on: the step, the data, hardware and versions."""
    return {
        "fingerprint": fingerprint(step),
        "data": data.digest(),
        **environment(device),
    }


def differences(made: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The provenance in which something differs from what it would have here, in words; empty if nothing differs."""
    return ", ".join(f"{key} {made.get(key)} (here {value})" for key, value in here.items() if made.get(key) != value)


def environment(device: torch.device) -> dict[str, Any]:
    """What numbers depend on besides the step: hardware and versions."""
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
    """The vendor's name of the GPU or the processor, without characters that our files do not accept."""
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
    """The git commit of this checkout and whether it has uncommitted changes; both None outside a repository."""
    git = ["git", "-C", os.fspath(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}
