"""The device to train on, from the word that a user types. Imports torch only when it is asked for a device."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from harness.errors import ForeignError, HarnessError

if TYPE_CHECKING:
    import torch


def known(word: str) -> str:
    """The word itself if it names a device, present or not; HarnessError otherwise."""
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?", word):
        raise HarnessError(f"unknown device {word!r}; use auto, cpu, cuda or cuda:N")
    return word


def device_of(word: str = "auto") -> "torch.device":
    """The device for "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises HarnessError for any other word, and for a CUDA device that does not exist or that torch cannot use.
    """
    known(word)
    import torch

    usable = [] if word == "cpu" else gpus()
    if word == "cpu" or (word == "auto" and not usable):
        return torch.device("cpu")
    if word in ("auto", "cuda") and usable:
        return usable[0] if usable[0].index else torch.device("cuda")
    if torch.device(word) not in usable:
        can_use = ", ".join(map(str, usable)) or "no CUDA device"
        raise HarnessError(f"{word} was asked for, but torch {torch.__version__} can use {can_use}; use --device cpu")
    return torch.device(word)


def gpus() -> list["torch.device"]:
    """The CUDA devices that torch can use: those that CUDA has, and that torch was built for."""
    import torch

    with warnings.catch_warnings(action="ignore"):  # which torch gives of the others, and of an old driver
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [torch.device("cuda", index) for index in range(count) if _built_for(index)]


def _built_for(index: int) -> bool:
    """Whether torch was built for a GPU. Machine code is for those of its major version, PTX for all later ones."""
    import torch

    try:
        capability = torch.cuda.get_device_capability(index)
    except (AssertionError, RuntimeError):  # the driver counts GPUs that CUDA has not, as in MIG mode
        return False
    found = re.findall(r"(sm|compute)_(\d+)(\d)", " ".join(torch.cuda.get_arch_list()))
    built = [(kind, (int(major), int(minor))) for kind, major, minor in found]
    return not built or any(
        version <= capability and (kind == "compute" or version[0] == capability[0]) for kind, version in built
    )


def current(device: "torch.device") -> AbstractContextManager[None]:
    """Makes a GPU the current one, on whose streams torch records and launches; for a CPU, there is nothing to do."""
    import torch

    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run the block with n threads of torch on the CPU."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or the error of a user's code behind it, means that a device is out of memory."""
    import torch

    cause = _cause(error)
    if isinstance(cause, torch.OutOfMemoryError | MemoryError):
        return True
    # Of a CPU, and of what a driver or a library allocates on a GPU without torch, there are plain errors.
    told = ("DefaultCPUAllocator", "CUDA error: out of memory", "ALLOC_FAILED")
    return isinstance(cause, RuntimeError) and any(words in str(cause) for words in told)


def short_of_memory(error: BaseException, device: "torch.device") -> "torch.device":
    """Which device is out of memory, by an error that is `out_of_memory` while something trains on a device."""
    import torch

    of_cpu = isinstance(_cause(error), MemoryError) or "DefaultCPUAllocator" in str(error)
    return torch.device("cpu") if of_cpu else device


def _cause(error: BaseException) -> BaseException | None:
    """What a user's own code raised, or the error itself."""
    return error.__cause__ if isinstance(error, ForeignError) else error


def forked(device: "torch.device") -> AbstractContextManager[None]:
    """Restores torch's global generator at the end, and that of a GPU."""
    import torch

    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def layout(device: "torch.device") -> "torch.memory_format":
    """The memory layout of images: channels last on the CPU, where small networks take up to a fifth less."""
    import torch

    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


def cores() -> int:
    """The number of processors that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
