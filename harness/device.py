"""Which device to train on, from the word a user gives for it. Free of torch until a device is looked for."""

import os
import re
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    import torch


def known(word: str) -> str:
    """The word itself if it is one for a device, on this machine or another; HarnessError otherwise."""
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", word):
        raise HarnessError(f"unknown device {word!r}; use auto, cpu, cuda or cuda:N")
    return word


def device_of(word: str = "auto") -> "torch.device":
    """The device for "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises HarnessError for any other word, and for CUDA where there is none.
    """
    known(word)
    import torch

    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if word != "cpu":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if there <= int(word.partition(":")[2] or 0):
            have = f"{there} CUDA device{'s' if there > 1 else ''}" if there else "no CUDA device"
            raise HarnessError(f"{word} was asked for, but torch {torch.__version__} sees {have}; use --device cpu")
    return torch.device(word)


def layout(device: "torch.device") -> "torch.memory_format":
    """How images lie in memory: channels last on the CPU, where networks of few channels run up to twice as fast so."""
    import torch

    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


def cores() -> int:
    """The processors that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
