"""Which device to train on, from the word a user gives for it."""

import torch

from harness.errors import HarnessError


def device_of(word: str = "auto") -> torch.device:
    """The device for "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises HarnessError for any other word, and for CUDA where there is none.
    """
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = word.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdecimal())):
        raise HarnessError(f"unknown device {word!r}; use auto, cpu, cuda or cuda:N")
    if kind == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if there <= int(index or 0):
            have = f"{there} CUDA device{'s' if there > 1 else ''}" if there else "no CUDA device"
            raise HarnessError(f"{word} was asked for, but torch {torch.__version__} sees {have}; use --device cpu")
    return torch.device(word)
