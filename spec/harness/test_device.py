"""The device that a word means, on machines with and without GPUs."""

import os

import pytest
import torch

from harness.device import cores, device_of
from harness.errors import HarnessError
from spec.harness.support.gpus import BUILT, has_gpus


def test_no_cuda_device_is_looked_for_where_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", None)
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("word", "gpus", "type_and_index"),
    [
        ("auto", 0, ("cpu", None)),
        ("auto", 2, ("cuda", None)),
        ("cpu", 2, ("cpu", None)),
        ("cuda", 1, ("cuda", None)),
        ("cuda:1", 2, ("cuda", 1)),
    ],
)
def test_a_word_means_a_device_that_is_there(
    monkeypatch: pytest.MonkeyPatch, word: str, gpus: int, type_and_index: tuple[str, int | None]
) -> None:
    has_gpus(monkeypatch, [(9, 0)] * gpus)
    device = device_of(word)
    assert (device.type, device.index) == type_and_index


@pytest.mark.parametrize(
    ("word", "gpus", "seen"),
    [
        ("cuda", 0, "no CUDA device"),
        ("cuda:0", 0, "no CUDA device"),
        ("cuda:1", 1, "cuda:0"),
        ("cuda:9999", 2, "cuda:0, cuda:1"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_with_what_is(
    monkeypatch: pytest.MonkeyPatch, word: str, gpus: int, seen: str
) -> None:
    has_gpus(monkeypatch, [(9, 0)] * gpus)
    with pytest.raises(HarnessError) as error:
        device_of(word)
    expected = f"{word} was asked for, but torch {torch.__version__} can use {seen}; use --device cpu"
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("capabilities", "built", "word", "means"),
    [
        ([(6, 1)], BUILT, "auto", "cpu"),
        ([(6, 1), (9, 0)], BUILT, "auto", "cuda:1"),
        ([(6, 1), (9, 0)], BUILT, "cuda", "cuda:1"),
        ([(9, 0), (6, 1)], BUILT, "auto", "cuda"),
        ([(8, 9)], BUILT, "auto", "cuda"),  # machine code for 8.6
        ([(8, 0)], ["sm_86"], "auto", "cpu"),
        ([(10, 3)], [*BUILT, "sm_100"], "auto", "cuda"),
        ([(12, 1)], ["sm_90a", "compute_90"], "auto", "cuda"),  # by PTX
        ([(8, 9)], ["sm_90a", "compute_90"], "auto", "cpu"),
        ([(9, 0)], [], "auto", "cuda"),  # as a build that says nothing
        ([(9, 4)], ["gfx90a", "gfx942"], "auto", "cuda"),  # as one for another vendor
        ([None], BUILT, "auto", "cpu"),  # which NVML counts and CUDA has not
    ],
)
def test_a_gpu_that_torch_was_not_built_for_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: list[tuple[int, int] | None],
    built: list[str],
    word: str,
    means: str,
) -> None:
    """By the compatibility that NVIDIA promises: within a major version upwards, and from PTX on."""
    has_gpus(monkeypatch, capabilities, built)
    assert str(device_of(word)) == means


@pytest.mark.parametrize(("allowed", "n"), [({3, 5, 6}, 3), ({0}, 1)])
def test_the_cores_are_those_that_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], n: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert cores() == n


@pytest.mark.parametrize(("count", "n"), [(8, 8), (None, 1)])
def test_where_an_affinity_is_not_known_every_core_counts_and_there_is_one_at_least(
    monkeypatch: pytest.MonkeyPatch, count: int | None, n: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cores() == n
