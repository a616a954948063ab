"""The device that a word means, on machines with and without GPUs."""

import os

import pytest
import torch

from harness.device import cores, device_of
from harness.errors import HarnessError


def has_gpus(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """A machine with n GPUs, as torch sees it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)


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
    has_gpus(monkeypatch, gpus)
    device = device_of(word)
    assert (device.type, device.index) == type_and_index


@pytest.mark.parametrize(
    ("word", "gpus", "seen"),
    [
        ("cuda", 0, "no CUDA device"),
        ("cuda:0", 0, "no CUDA device"),
        ("cuda:1", 1, "1 CUDA device"),
        ("cuda:9999", 2, "2 CUDA devices"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_with_what_is(
    monkeypatch: pytest.MonkeyPatch, word: str, gpus: int, seen: str
) -> None:
    has_gpus(monkeypatch, gpus)
    with pytest.raises(HarnessError) as error:
        device_of(word)
    expected = f"{word} was asked for, but torch {torch.__version__} sees {seen}; use --device cpu"
    assert str(error.value) == expected


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
