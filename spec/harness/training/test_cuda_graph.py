"""Training steps are recorded and replayed; operations of the CPU stand in for those of a GPU."""

import gc
import subprocess
import sys
import weakref
from contextlib import nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from harness import Recipe
from harness.data.synthetic import synthetic
from harness.device import current
from harness.errors import ForeignError, HarnessError
from harness.recipe import Adam, OneCycle, OneCycleLR, RandomAffine, StepLR
from harness.training import dropout, train
from harness.training.augmentation.batches import AHEAD
from harness.training.cuda_graph import WARM_UP, StepGraphs
from harness.training.ensemble import AT_ONCE, EnsembleTrainer, recordable
from spec.harness.training.graph_stand_in import Cuda, Graph
from spec.harness.training.graph_stand_in import cuda as cuda
from spec.harness.training.test_ensemble import Small

DEVICE = torch.device("cuda", 1)
RECIPE = Recipe(lr=0.05, batch_size=32, epochs=2)


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks by counters: how many numbers a generator of the CPU draws depends on those before. Two steps at once."""
    monkeypatch.setattr(dropout, "masks_of", dropout.FromCounters)
    monkeypatch.setitem(AT_ONCE, "cpu", 2)
    monkeypatch.setattr("harness.training.ensemble.BATCH", 20)


def ensemble(recipe: Recipe, *, recorded: bool) -> EnsembleTrainer:
    """Two networks with 102 images: in an epoch three batches of 32 and one of 6, so two launches of two steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainer = EnsembleTrainer([Small(), Small()], recipe, synthetic(102), [3, 0])
    if recorded:
        trainer.graphs = StepGraphs(DEVICE)
        trainer.test_graphs = StepGraphs(DEVICE)
    return trainer


@pytest.mark.thorough
@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, nesterov=True, weight_decay=1e-3, schedule=StepLR(1, 0.3)),
        replace(RECIPE, optimizer=Adam(), lr=0.01, schedule=OneCycle(), average=0.9),
        replace(RECIPE, augmentation=RandomAffine(degrees=10, fill=1), l1=1e-4, clip_grad_norm=1.0),
    ],
    ids=["rates by epoch", "rates by step, averaged", "augmented"],
)
def test_replays_train_as_eager_steps_do(recipe: Recipe, cuda: Cuda) -> None:
    eager, recorded = ensemble(recipe, recorded=False), ensemble(recipe, recorded=True)
    for _ in range(5):  # of which the last replays the launch with a batch of 6
        assert recorded.train_epoch() == eager.train_epoch()
        found = recorded.evaluate(recorded.data.test_images, recorded.data.test_labels)
        assert found == eager.evaluate(eager.data.test_images, eager.data.test_labels)
    assert len(cuda.graphs) == 4  # for training and test, each with a smaller one
    assert recorded.taken == recorded.steps == eager.steps == 20


def test_each_shape_is_recorded_once_after_some_eager_steps_in_memory_that_all_share(cuda: Cuda) -> None:
    trainer = ensemble(RECIPE, recorded=True)
    for _ in range(WARM_UP + 2):
        trainer.launch_epoch()
    expected = [*["eager"] * 2 * WARM_UP, "record", "record"]
    assert [call for call in cuda.calls if call in ("eager", "record")] == expected
    assert trainer.graphs is not None
    assert (cuda.settings["pool"], cuda.settings["stream"]) == (trainer.graphs.pool, trainer.graphs.stream)


def test_a_recording_is_made_on_its_device_and_other_threads_do_not_end_it(cuda: Cuda) -> None:
    ensemble(RECIPE, recorded=True).train_epoch()
    assert cuda.calls == ["on cuda:1", "eager", "off cuda:1"] * 2
    ensemble(replace(RECIPE, batch_size=5), recorded=True).train_epoch()
    assert cuda.calls[6:].index("record") > cuda.calls[6:].index("on cuda:1")
    assert cuda.settings["capture_error_mode"] == "thread_local"


def test_no_graph_of_an_earlier_training_is_destroyed_within_a_recording(cuda: Cuda) -> None:
    assert gc.isenabled()
    ensemble(replace(RECIPE, batch_size=5), recorded=True).train_epoch()
    assert "record" in cuda.calls
    assert cuda.settings["collected"] is False
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("settings", "kind", "recorded"),
    [
        ({"momentum": 0.9, "schedule": OneCycle()}, torch.float32, True),
        ({"schedule": OneCycleLR(cycle_momentum=True), "momentum": 0.9}, torch.float32, False),
        ({"average": 0.9}, torch.float32, True),
        ({"average": 0.9, "average_warmup": True}, torch.float32, False),
        ({}, torch.complex64, False),
        ({"optimizer": Adam()}, torch.complex64, True),
    ],
)
def test_steps_are_recorded_unless_python_computes_something_in_each(
    settings: dict[str, Any], kind: torch.dtype, recorded: bool
) -> None:
    assert recordable(replace(RECIPE, **settings), [torch.ones(1), torch.ones(1, dtype=kind)]) is recorded


def test_a_graph_that_does_nothing_is_an_error(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "empty", True)
    trainer = ensemble(replace(RECIPE, batch_size=10), recorded=True)
    with pytest.raises(HarnessError) as error:
        trainer.train_epoch()
    assert str(error.value) == "cpu took 9 of 11 training steps that were launched; use --device cpu"


def test_a_resumed_training_has_the_masks_of_one_that_was_not_interrupted() -> None:
    """Without generators of theirs in the state."""
    whole, resumed = ensemble(RECIPE, recorded=False), ensemble(RECIPE, recorded=False)
    whole.train_epoch()
    state = whole.state()
    assert "generator.dropout" not in state
    resumed.restore(state, 1)
    assert resumed.train_epoch() == whole.train_epoch()
    assert resumed.taken == whole.taken == 8


@pytest.mark.thorough
@pytest.mark.parametrize("at_once", [1, 2, 3, 8])
def test_how_many_steps_are_launched_at_once_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, schedule=OneCycleLR(), augmentation=RandomAffine(degrees=10), average=0.9)
    monkeypatch.setitem(AHEAD, "cpu", 24)
    one, several = ensemble(recipe, recorded=False), ensemble(recipe, recorded=False)
    for _ in range(2):
        assert list(one.launches(1)) == [1, 2, 3, 4]
        assert list(several.launches(at_once)) == [*range(at_once, 4, at_once), 4]
        one.epoch = several.epoch = 1
    for name, value in one.state().items():
        assert torch.equal(several.state()[name], value), name


class Fails:
    """A step that raises an error once it is recorded, and before that does nothing."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.left = error, WARM_UP

    def __call__(self, index: Tensor) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error


def fails(error: BaseException, cuda: Cuda) -> BaseException:
    """What comes of the error of a step, when ending the recording fails as well."""
    graphs, step = StepGraphs(DEVICE), Fails(error)
    cuda.end = RuntimeError("operation failed due to a previous error during capture")
    for _ in range(WARM_UP):
        graphs.launch(step, torch.zeros(2, 3))
    with pytest.raises(BaseException) as raised:  # noqa: PT011  # whatever it is
        graphs.launch(step, torch.zeros(2, 3))
    assert cuda.calls[-2:] == ["back", "off cuda:1"]
    assert gc.isenabled()
    return raised.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("operation not permitted when stream is capturing"), "operation not permitted when stream is"),
        (ForeignError("its forward pass raised ValueError: of mine"), "its forward pass raised ValueError: of mine"),
    ],
)
def test_the_first_error_of_a_recording_is_the_one_that_is_reported(error: Exception, words: str, cuda: Cuda) -> None:
    raised = fails(error, cuda)
    assert isinstance(raised, HarnessError)
    assert str(raised).startswith(f"a step cannot be recorded as a CUDA graph: {words}")
    assert str(raised).endswith("or use --device cpu")


def test_too_little_memory_and_an_interruption_pass_through_a_recording(cuda: Cuda) -> None:
    memory, interruption = torch.OutOfMemoryError("CUDA out of memory"), KeyboardInterrupt()
    assert fails(memory, cuda) is memory
    assert fails(interruption, cuda) is interruption
    wrapped = ForeignError("its forward pass raised OutOfMemoryError")
    wrapped.__cause__ = memory
    assert fails(wrapped, cuda) is wrapped  # which its cause tells from others


def test_a_recording_that_failed_keeps_nothing_in_memory(cuda: Cuda) -> None:
    """As a stack of networks, which would be in the way of the next training."""
    graphs, step = StepGraphs(DEVICE), Fails(RuntimeError("operation not permitted when stream is capturing"))
    kept = weakref.ref(step)
    gc.disable()
    try:
        for _ in range(WARM_UP):
            graphs.launch(step, torch.zeros(2, 3))
        with suppress(HarnessError):
            graphs.launch(step, torch.zeros(2, 3))
        step.error = None  # type: ignore[assignment]  # whose frames have this step
        del step
        assert kept() is None
    finally:
        gc.enable()


def test_training_makes_its_gpu_the_current_one(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    step, data = SimpleNamespace(id="a/b"), SimpleNamespace(train_images=SimpleNamespace(device=DEVICE))
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())
    monkeypatch.setattr(train, "trainer_of", lambda *_: cuda.calls.append("make a trainer"))
    with train.training(step, [0], data):  # type: ignore[arg-type]  # there is no GPU to hold the data
        cuda.calls.append("train")
    assert cuda.calls == ["on cuda:1", "make a trainer", "train", "off cuda:1"]
    with current(torch.device("cpu")):
        assert len(cuda.calls) == 4


class Reads(Small):
    """A network that reads a number on the host."""

    def forward(self, images: Tensor) -> Tensor:
        if torch.cuda.is_current_stream_capturing():
            torch.zeros(1, device=images.device).item()
        return super().forward(images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_network_that_cannot_be_recorded_is_one_line_and_the_next_can() -> None:
    """In a process of its own, for whose later trainings a recording that failed might be a fault."""
    done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("a step cannot be recorded as a CUDA graph: its forward pass raised ")
    assert "capturing" in first
    assert second == "trained"


if __name__ == "__main__":
    for network in (Reads, Small):
        try:
            EnsembleTrainer(
                [network().cuda()], replace(RECIPE, batch_size=10), synthetic(400).to("cuda"), [0]
            ).train_epoch()
        except HarnessError as error:
            print(error)
        else:
            print("trained")
