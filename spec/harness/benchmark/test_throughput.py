"""Throughput: what a round does, how the GPU is monitored, and images from which nothing can be learnt.

Stand-ins for CUDA events and for NVML record the calls to a GPU and give the answers of its driver.
"""

import os
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness import Recipe, StepSpec
from harness.benchmark.throughput import Rounds, Watch
from harness.data.synthetic import unteachable
from harness.training import native
from harness.training.ensemble import EnsembleTrainer
from harness.training.native import NativeTrainer
from harness.training.trainer import SingleTrainer
from spec.harness.benchmark.fake_nvml import UUID, Nvml
from spec.harness.benchmark.fake_nvml import no_driver as no_driver
from spec.harness.benchmark.fake_nvml import nvml as nvml
from spec.harness.benchmark.short_rounds import Cuda
from spec.harness.benchmark.short_rounds import cuda as cuda
from spec.harness.benchmark.short_rounds import short as short


class Network(torch.nn.Sequential):
    """A convolution and a global average: 100 parameters."""

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(1, 10, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.LogSoftmax(1)
        )


class Tiny(StepSpec):
    """Step 1: tiny."""

    model = Network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)


def on_gpu() -> Rounds:
    """Rounds that treat their device as a GPU, but train on the CPU."""
    rounds = Rounds(Tiny, torch.device("cpu"))
    rounds.device = torch.device("cuda", 0)
    return rounds


def test_a_round_waits_for_the_device_at_its_ends_only(cuda: Cuda) -> None:
    rounds = on_gpu()
    rounds.wait()
    rounds()
    event = "event on cuda:0's stream"
    assert cuda.calls == ["wait", event, "step", "step", event, "wait"]
    assert rounds.device_seconds == [0.25]


def test_a_round_on_the_cpu_needs_no_gpu(cuda: Cuda) -> None:
    rounds = Rounds(Tiny, torch.device("cpu"))
    rounds.wait()
    rounds()
    assert (cuda.calls, rounds.device_seconds) == (["step", "step"], [])


@pytest.mark.parametrize(("settings", "steps", "images"), [({}, 2, 64), ({"validation": 0.5}, 1, 32)])
def test_the_images_of_a_round_are_those_that_it_trains(settings: Any, steps: int, images: int, cuda: Cuda) -> None:
    """Of 64, in two batches of 32, a share is held out."""
    rounds = Rounds(type("Held", (Tiny,), {"recipe": replace(Tiny.recipe, **settings)}), torch.device("cpu"))
    rounds()
    assert cuda.calls == ["step"] * steps
    assert (rounds.steps, rounds.images) == (steps, images)


def test_a_round_trains_as_harness_train_does(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = Rounds(Tiny, torch.device("cpu"))
    assert isinstance(rounds.trainer, NativeTrainer)
    assert rounds.name == "native"
    before = rounds.trainer.network.parameters.clone()
    rounds()
    assert rounds.trainer.finite.tolist() == [2]
    assert not torch.equal(rounds.trainer.network.parameters, before)
    assert 1 < rounds.loss < 4
    monkeypatch.setattr(native, "refusal", lambda step: "there is no compiler")
    rounds = Rounds(Tiny, torch.device("cpu"))
    assert isinstance(rounds.trainer, SingleTrainer)
    assert rounds.name == "eager"


def test_a_round_is_the_same_for_networks_that_are_trained_together(cuda: Cuda) -> None:
    """On a GPU even one network is an ensemble; its loss on the same images must be that of a single trainer."""
    torch.manual_seed(0)
    alone, among = Rounds(Tiny, torch.device("cpu")), Rounds(Tiny, torch.device("cpu"))
    assert isinstance(alone.trainer, SingleTrainer)
    among.trainer = EnsembleTrainer([deepcopy(alone.trainer.model)], Tiny.recipe, alone.trainer.data, [0])
    for _ in range(6):  # more than the recipe has epochs
        alone()
        among()
    assert among.loss == pytest.approx(alone.loss, abs=1e-5)
    assert 1 < among.loss < 4  # a guess comes to log 10 = 2.3


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> Cuda:
    """A device with a known UUID, in a process with a known id."""
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID))
    return cuda


def test_the_gpu_is_watched_while_a_round_goes_on(gpu: Cuda, nvml: Nvml) -> None:
    heat = nvml.functions["nvmlDeviceGetTemperature"]

    def read(*arguments: Any) -> int:
        gpu.calls.append("read")
        return heat(*arguments)

    nvml.functions["nvmlDeviceGetTemperature"] = read
    watch = Watch(on_gpu())
    assert gpu.calls[-5:] == ["wait", "step", "step", "read", "wait"]
    nvml.reasons, nvml.computing = 0x4, [1802, 4711]
    watch.end()
    assert gpu.calls[-5:] == ["wait", "step", "step", "read", "wait"]
    assert watch.doubts == ["slowed down: sw_power_cap", "not alone on the GPU: process 1802"]
    assert [watch.seen[name]["slowed"] for name in ("gpu_before", "gpu_after")] == [(), ("sw_power_cap",)]


def test_a_gpu_whose_processes_are_not_visible_is_measured_and_that_is_noted(gpu: Cuda, nvml: Nvml) -> None:
    nvml.computing = []
    watch = Watch(on_gpu())
    watch.end()
    assert (watch.doubts, len(watch.unknown)) == ([], 1)


def test_a_gpu_of_which_nothing_is_known_is_a_doubt(gpu: Cuda, no_driver: None) -> None:
    watch = Watch(on_gpu())
    watch.end()
    reason = "the NVIDIA driver does not answer: NVML Shared Library Not Found; see what nvidia-smi says"
    assert (watch.doubts, watch.seen) == ([f"the state of the GPU is not known: {reason}"], {})


def test_nothing_can_be_learnt_from_the_images() -> None:
    """The bright square of a synthetic image is at its digit; here it predicts the label no better than a guess."""
    data = unteachable(2000)
    corners = torch.stack(
        [data.train_images[:, 3 + 8 * (digit // 4), 2 + 7 * (digit % 4)] == 255 for digit in range(10)], 1
    )
    assert bool(corners.sum(1).eq(1).all())
    agreement = (corners.int().argmax(1) == data.train_labels).float().mean().item()
    assert abs(agreement - 0.1) < 0.03  # 4 standard errors of 2,000 guesses
    assert data.train_labels.bincount().tolist() == 10 * [200]
