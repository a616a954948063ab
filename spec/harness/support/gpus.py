"""A machine with GPUs, as torch sees it."""

import warnings
from collections.abc import Sequence

import pytest
import torch

BUILT = ["sm_75", "sm_80", "sm_86", "sm_90"]


def has_gpus(
    monkeypatch: pytest.MonkeyPatch, capabilities: Sequence[tuple[int, int] | None], built: Sequence[str] = BUILT
) -> None:
    """Let there be a GPU for each compute capability; None is one that the driver counts and CUDA has not.

    torch was built for some, and warns of the others when the first is asked for.
    """

    def capability(index: int) -> tuple[int, int]:
        warnings.warn("found a GPU that is too old", stacklevel=1)
        found = capabilities[index]
        if found is None:
            raise RuntimeError("invalid device ordinal")
        return found

    monkeypatch.setattr(torch.cuda, "is_available", lambda: len(capabilities) > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {capabilities[torch.device(device).index]}")
