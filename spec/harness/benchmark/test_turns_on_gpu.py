"""The benchmark on a GPU, which a clock stands in for: work that was launched takes its time once it is waited for."""

from typing import Any

import pytest
import torch

from harness.benchmark import implementations, side_by_side
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.report.benchmark import sections
from harness.step import Step
from spec.harness.benchmark.turns import STEP, Clock, StandIn

GPU = torch.device("cuda", 0)


class Launched(Clock):
    """A clock that work moves only when somebody waits for its end."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def synchronize(self, device: torch.device) -> None:
        assert device == GPU
        self.waited = self.now

    def perf_counter(self) -> float:
        return self.waited


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 40 ms in a notebook, of 20 by eager torch and of (n + 3) / 4 for n seeds, on a GPU of 10 GFLOP/s."""
    clock = Launched()
    monkeypatch.setattr(side_by_side, "time", clock)
    monkeypatch.setattr(torch.cuda, "synchronize", clock.synchronize)
    monkeypatch.setattr(side_by_side, "environment", lambda device: {"device": device.type})
    monkeypatch.setattr(side_by_side, "_matrix_rate", lambda device: 1e10)
    for name, times in {"notebook": (0.040, 4.0), "eager": (0.020, 2.0)}.items():
        monkeypatch.setitem(implementations.IMPLEMENTATIONS, name, lambda *_, times=times: StandIn(clock, *times))

    def eager(step: type[Step], data: MNIST, device: torch.device, seeds: int = 1) -> StandIn:
        return StandIn(clock, 0.001 * (seeds + 3) / 4, 0.0)

    monkeypatch.setattr(side_by_side, "eager", eager)


def no_threads(n: int) -> None:
    assert n == torch.get_num_threads()  # as it was


def test_a_time_is_that_of_the_work_and_not_of_its_launch(gpu: None) -> None:
    """320 images are 10 batches of 32: epochs of 4.4 and 2.2 s."""
    result = side_by_side.bench(STEP, synthetic(320), GPU, lambda _: None)
    assert {name: one["epoch_s"] for name, one in result["ways"].items()} == {"notebook": 4.4, "eager": 2.2}
    assert {name: one["test_s"] for name, one in result["ways"].items()} == {"notebook": 4.0, "eager": 2.0}
    assert result["ways"]["notebook"]["step_ms_range"] == [40.0, 50.0]  # of the 200 of a turn 50 are slow
    assert result["ratios"] == {"notebook / eager": 2.0}


def test_many_seeds_at_once_take_the_place_of_all_cores(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(torch, "set_num_threads", no_threads)
    result: dict[str, Any] = side_by_side.bench(STEP, synthetic(320), GPU, told.append)
    assert result["cores"] == []
    costs = {1: 1.0, 2: 1.25, 4: 1.75, 8: 2.75, 16: 4.75, 32: 8.75}
    assert result["seeds"] == [
        {"seeds": n, "together_ms": together, "one_by_one_ms": float(n)} for n, together in costs.items()
    ]
    assert told[1:] == ["mine/net: many seeds at once"]


def test_seeds_that_train_one_by_one_have_no_cost_at_once(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "groups", lambda step, seeds, device: [[seed] for seed in seeds])
    result = side_by_side.bench(STEP, synthetic(320), GPU, lambda _: None)
    assert (result["seeds"], result["ratios"]) == ([], {"notebook / eager": 2.0})


def test_what_was_measured_stays_where_more_seeds_need_too_much_memory(
    gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = side_by_side.cost_of_seeds

    def limited(step: type[Step], data: MNIST, device: torch.device, n: int) -> dict[str, float]:
        if n == 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return cost(step, data, device, n)

    told: list[str] = []
    monkeypatch.setattr(side_by_side, "cost_of_seeds", limited)
    result = side_by_side.bench(STEP, synthetic(320), GPU, told.append)
    assert [row["seeds"] for row in result["seeds"]] == [1, 2, 4]
    assert told[2:] == ["mine/net: out of memory with 8 seeds at once"]


def test_the_page_of_a_gpu_has_seeds_and_says_nothing_of_threads_cores_or_a_compiler(gpu: None) -> None:
    software = {"turns": 7, "torch": "2.15.0", "python": "3.13.1", "platform": "Linux x86_64"}
    result = side_by_side.bench(STEP, synthetic(320), GPU, lambda _: None)
    text = sections([{**result, "made": {"hardware": "NVIDIA H200", "threads": None, **software}}])
    assert text.startswith("## NVIDIA H200\n\n7 turns; torch 2.15.0, Python 3.13.1, Linux x86_64.\n")
    assert "| 32 seeds | 8.75, 32.00 |" in text
    assert "Training images per second in all" not in text
