"""Baselines of throughput: a folder for each GPU, so that no run is ever compared with one of other hardware.

pytest-benchmark, which stores and compares, keeps runs apart by operating system and Python only, and takes a missing
baseline for an error.
"""

import re
from importlib.metadata import version
from typing import Any

import torch
from pytest_benchmark.utils import get_machine_id, load_storage

from harness.benchmark import gpu
from harness.errors import HarnessError
from harness.provenance import hardware

VERSIONS = ("torch", "torchvision", "cuda", "cudnn", "driver", "python_version")
"""The facts about a machine in which runs that are compared may differ, and of which it is then told."""


def machine(device: torch.device) -> dict[str, Any]:
    """What stays the same about a device from one run to the next: its name, and the versions of what drives it."""
    cuda = device.type == "cuda"
    return {
        "hardware": hardware(device),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "driver": gpu.driver() if cuda else None,
    }


def storage(uri: str, device: torch.device) -> str:
    """The place for the runs of that device's hardware under pytest-benchmark's --benchmark-storage.

    A data base (elasticsearch) is left as it is; `comparable` keeps the hardware apart there.
    """
    if "://" in uri and not uri.startswith("file://"):
        return uri
    return f"{uri.rstrip('/')}/{re.sub(r'[^A-Za-z0-9]+', '-', hardware(device)).strip('-')}"


def exists(uri: str, which: str | bool) -> bool:
    """Whether a run was saved there: the one that --benchmark-compare names, or any if it is True."""
    if "://" in uri and not uri.startswith("file://"):
        return True  # to ask would take a connection; pytest-benchmark makes one of its own
    there = load_storage(uri, logger=None, default_machine_id=get_machine_id(), netrc="")
    return bool(there.query("[0-9][0-9][0-9][0-9]_" if which is True else which))


def comparable(baseline: dict[str, Any], machine_info: dict[str, Any]) -> list[str]:
    """Make a saved run one that can be compared with, and say what sets it apart from this machine.

    What was invalid when it was measured is taken out. Raises HarnessError if it is a run of other hardware.
    """
    then, now = baseline["machine_info"], machine_info
    if then.get("hardware") != now["hardware"]:
        raise HarnessError(
            f"the baseline was measured on {then.get('hardware', 'unknown hardware')} and this is {now['hardware']}; "
            "times of different hardware are not compared"
        )
    baseline["benchmarks"] = [one for one in baseline["benchmarks"] if not one["extra_info"].get("invalid")]
    differing = [f"{key} was {then.get(key)} and is {now[key]}" for key in VERSIONS if then.get(key) != now[key]]
    # It has been told; pytest-benchmark would make a warning of it, and a warning is an error in strict projects.
    baseline["machine_info"] = now
    return differing
