"""The section of a step that a GPU trained too: both are shown, with their difference; without one, nothing of it."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from torch import nn

from harness import report
from harness.evidence import record
from harness.report.step_page import section
from harness.run import Epoch, Run
from harness.step import Step
from spec.harness.evidence.records_of import step_with

CPU = {"fingerprint": "0123", "trainer": "eager", "device": "cpu", "hardware": "AMD EPYC", "torch": "2.15.0"}
GPU = {**CPU, "device": "cuda", "hardware": "NVIDIA H100", "torch": "2.11.0", "precision": "ieee", "threads": None}


@pytest.fixture
def step(tmp_path: Path) -> type[Step]:
    """A step of six epochs in no package."""

    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))

    (tmp_path / "mine").mkdir()
    step = step_with(tmp_path, "mine/tiny", model=staticmethod(network), receptive_field=28, title="A title")
    step.__module__ = "test_01_step"
    return step


def put(step: type[Step], made: Mapping[str, object], *accuracies: float) -> None:
    """Record a run for each accuracy, which it has in every epoch."""
    for seed, accuracy in enumerate(accuracies):
        epochs = tuple(Epoch(number, 99.0, accuracy, 0.1, 2.0, ((5, 6, 0),)) for number in range(1, 7))
        record.add(Run(step, seed, epochs, provenance=made))


def text_of(html: str) -> str:
    """The section of the step without its tags, on one line."""
    [article] = re.findall(r"<article.*?</article>", html, re.DOTALL)
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", article, flags=re.DOTALL).replace("&nbsp;", " ").split())


def test_both_are_shown_with_their_difference_worked_out_by_hand(step: type[Step]) -> None:
    put(step, CPU, 99.2, 99.3, 99.4)
    put(step, GPU, 99.5, 99.6, 99.7)
    # each mean has a standard error of 0.1 / sqrt(3); together 0.08165, with 4 degrees of freedom, of which t is 2.7764
    text = text_of(report.html([step], None))
    assert "99.30 [99.05, 99.55] % held by 1 of 3" in text
    assert "On a GPU 99.60 [99.35, 99.85] % held by 3 of 3 [0.29, 1.00] 2.0 s/epoch" in text
    assert "GPU minus CPU: +0.300 [+0.073, +0.527] points, 95 % interval of Welch, 3 and 3 runs. What becomes" in text
    assert "seeds 0, 1, 2 fingerprint 0123 trainer eager device cuda hardware NVIDIA H100 torch 2.11.0" in text
    assert "threads" not in text


def test_one_run_has_a_difference_without_an_interval(step: type[Step]) -> None:
    put(step, CPU, 99.2, 99.3)
    put(step, GPU, 99.0)
    text = text_of(report.html([step], None))
    assert "GPU minus CPU: -0.250 points (one run has no interval), 1 and 2 runs." in text


def test_a_gpu_alone_is_shown_and_the_step_counts_as_not_measured(step: type[Step]) -> None:
    put(step, GPU, 99.5, 99.6)
    text = text_of(report.html([step], None))
    assert "not measured" in text
    assert "On a GPU 99.55 [" in text
    assert "GPU minus CPU" not in text


@pytest.mark.thorough
def test_without_a_gpu_nothing_is_said_of_one(step: type[Step]) -> None:
    put(step, CPU, 99.2, 99.3)
    assert "GPU" not in text_of(report.html([step], None))
    put(step, GPU, 99.5)
    fresh = record.read(step)
    assert fresh is not None
    assert "GPU" not in text_of(report.html([step], None, {step.id: fresh}))  # a session shows its own runs alone
    assert section(step, None, None, None).on_gpu is None
