"""Short measurements: rounds of two steps, a stand-in for the events of a GPU, and a ladder of one step to time."""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.benchmark import baseline, throughput
from harness.training import native, trainer
from spec.harness.plugin import tiny_ladder
from spec.harness.plugin.tiny_ladder import Ladder

SPEC = tiny_ladder.SPEC.replace("    test_throughput = None  # has a file of its own\n", "")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds of 2 steps, after one for warm-up."""
    monkeypatch.setattr(throughput, "STEPS", {"cpu": 2, "cuda": 2})
    monkeypatch.setattr(throughput, "ROUNDS", 3)
    monkeypatch.setattr(throughput, "WARMUP", 1)


class Cuda:
    """A stand-in for CUDA events, by which every round takes a quarter of a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        real = trainer.SingleTrainer.train_step
        report = self.calls.append

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self, stream: str) -> None:
                report(f"event on {stream}")

            def elapsed_time(self, end: "Event") -> float:
                return 250.0

        def train_step(self: trainer.SingleTrainer, *batch: torch.Tensor) -> Any:
            report("step")
            return real(self, *batch)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"{device}'s stream")
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: report("wait"))
        monkeypatch.setattr(trainer.SingleTrainer, "train_step", train_step)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """Eager steps and GPU events are counted; nothing is trained natively."""
    monkeypatch.setattr(native, "refusal", lambda step: "steps are counted")
    return Cuda(monkeypatch)


class Bench(Ladder):
    """pytest with the plugin and pytest-benchmark, warnings being errors, on a ladder of one step."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        super().__init__(pytester)
        self.path = pytester.path
        self.write(SPEC)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run the throughput spec in this process."""
        where = [] if any(argument.startswith("--device") for argument in arguments) else ["--device=cpu"]
        return super().run("-p", "pytest_benchmark.plugin", "-k", "throughput", *where, *arguments)

    def saved(self) -> dict[str, Path]:
        """The newest saved run per hardware, by the name of its folder."""
        return {file.parts[-3]: file for file in sorted((self.path / ".benchmarks").glob("*/*/*.json"))}

    def change_saved(self, hardware: str, change: Any) -> None:
        """Change the saved run of some hardware."""
        file = self.saved()[hardware]
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """On a machine without CUDA whose hardware is called an H200."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # of the run that this test is part of
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(baseline, "hardware", lambda device: "NVIDIA H200")
    monkeypatch.setattr("pytest_benchmark.plugin.get_cpu_info", dict)  # takes a second
    # It would pause coverage, which up to Python 3.11 does not see the callers of what was timed any more.
    monkeypatch.setattr("pytest_benchmark.fixture.PauseInstrumentation", nullcontext)
    return Bench(pytester)


def section(result: pytest.RunResult) -> list[str]:
    """The lines of the section "throughput"."""
    begin = next(n for n, line in enumerate(result.outlines) if re.fullmatch("=+ throughput =+", line))
    rest = result.outlines[begin + 1 :]
    return rest[: next(n for n, line in enumerate(rest) if not line or line.startswith("="))]
