"""Baselines of throughput: one folder per GPU model, so that runs on different hardware are never compared.

pytest-benchmark, which stores and compares the runs, separates them by operating system and Python only, and reports a
missing baseline as an error.
"""

import re
from pathlib import Path
from typing import Any

import torch
from pytest_benchmark.utils import get_machine_id, load_storage

from harness import files, strict_json
from harness.errors import HarnessError
from harness.machine import hardware
from harness.provenance import environment

CONDITIONS = ("trainer", "threads", "batch_size", "masks")
"""What the time of a step depends on beside the machine: measurements that differ in it are not compared."""
_VERSIONS = ("torch", "torchvision", "cuda", "cudnn", "driver", "precision", "python")
"""Facts of a machine in which compared runs may differ; the differences are reported."""


def machine(device: torch.device) -> dict[str, Any]:
    """The facts of a device that all its runs share: its name and the versions of its software."""
    made = environment(device)
    return {"hardware": hardware(device), **{name: made.get(name) for name in _VERSIONS}}


def storage(uri: str, device: torch.device) -> str:
    """The folder for the runs of the device's hardware, below pytest-benchmark's --benchmark-storage.

    A database (elasticsearch) has no folders; there, `comparable` refuses runs on other hardware.
    """
    if _is_database(uri):
        return uri
    return f"{uri.rstrip('/')}/{re.sub(r'[^A-Za-z0-9]+', '-', hardware(device)).strip('-')}"


def _is_database(uri: str) -> bool:
    return "://" in uri and not uri.startswith("file://")


def chosen(uri: str, which: str | bool) -> str | bool | None:
    """The run to compare with, as --benchmark-compare names it, or the newest with a valid measurement if that is True.

    None if the storage has none. Raises HarnessError if pytest-benchmark could not read one of them.
    """
    if _is_database(uri):
        return which  # unknown without a connection, which is left to pytest-benchmark
    saved = load_storage(uri, logger=None, default_machine_id=get_machine_id(), netrc="")
    try:
        found = saved.query("[0-9][0-9][0-9][0-9]_" if which is True else which)
    except ValueError as error:
        raise HarnessError(f"--benchmark-compare: {error}") from error
    runs = {path: _benchmarks(path) for path in found}
    if which is not True:
        return which if runs else None
    return next((str(path) for path in reversed(runs) if any(map(_is_valid, runs[path]))), None)


def _is_valid(run: dict[str, Any]) -> bool:
    return not run["extra_info"].get("invalid")


def _benchmarks(path: Path) -> list[dict[str, Any]]:
    """The measurements of a saved run; HarnessError unless a file holds one, as far as it is used here."""
    try:
        value = strict_json.parse(files.read(path))
        strict_json.mapping(value, "machine_info")
        runs = strict_json.objects(value, "benchmarks")
        for run in runs:
            strict_json.mapping(run, "extra_info")
            strict_json.mapping(run, "stats")
        return runs
    except (ValueError, OSError) as error:
        raise HarnessError(f"{path} is not a saved run: {error}; delete it, or compare with another") from error


def comparable(baseline: dict[str, Any], machine_info: dict[str, Any]) -> list[str]:
    """Prepare a saved run for a comparison, and return in what it differs from this machine.

    Removes its invalid measurements. Raises HarnessError if it was measured on other hardware.
    """
    then, now = baseline["machine_info"], machine_info
    if then.get("hardware") != now["hardware"]:
        raise HarnessError(
            f"the baseline was measured on {then.get('hardware', 'unknown hardware')} and this is {now['hardware']}; "
            "times of different hardware are not compared"
        )
    baseline["benchmarks"] = list(filter(_is_valid, baseline["benchmarks"]))
    differing = [f"{key} was {then.get(key)} and is {now[key]}" for key in _VERSIONS if then.get(key) != now[key]]
    # pytest-benchmark would warn of the differences, which we report, and a warning fails strict projects.
    baseline["machine_info"] = now
    return differing
