"""The native trainer: it stops at a loss that is not finite, resumes from its own states only, and cleans up."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness import steps
from harness.recipe import Constant, RandomDistortion, Recipe
from harness.recipe.schedules import Moment
from harness.training.native import library
from harness.training.native.operations import NotCoveredError
from harness.training.native.trainer import NativeTrainer
from harness.training.snapshot import State
from harness.training.trainer import SingleTrainer
from models.blocks import Conv, LogProbabilities
from spec.harness.support.paths import ROOT
from spec.harness.training.native import features
from spec.harness.training.native.compilers import needs_compiler
from spec.harness.training.native.eager import noise, shaken

pytestmark = needs_compiler


@dataclass(frozen=True)
class Explosion(Constant):
    """A schedule with one rate after which no loss is finite."""

    at: int = 0

    def rate(self, lr: float, now: Moment) -> float:
        """That of the recipe, but for one step."""
        return lr * (1e25 if now.step == self.at else 1.0)


def network() -> nn.Module:
    return shaken(
        nn.Sequential(Conv(1, 3, 9, "relu", stride=9), nn.Conv2d(3, 5, 2), nn.Conv2d(5, 10, 2), LogProbabilities())
    )


RECIPE = Recipe(lr=0.01, batch_size=8, epochs=2)
ORDER = "generator.order"


@pytest.mark.parametrize("at", [0, 49, 57])
def test_the_batch_whose_loss_is_not_finite_is_reported_as_by_torch(at: int) -> None:
    recipe, data = replace(RECIPE, schedule=Explosion(at)), noise(8 * 60)
    native, eager = (trainer(network(), recipe, data, 0) for trainer in (NativeTrainer, SingleTrainer))
    [(loss, _)] = native.train_epoch()
    [(reference, _)] = eager.train_epoch()
    assert not math.isfinite(loss)
    assert not math.isfinite(reference)
    assert native.finite.tolist() == eager.finite.tolist() == [at + 1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, -1])
def test_weights_that_are_not_finite_end_the_training_though_relu_and_maximum_hide_them(
    value: float, which: int
) -> None:
    model = nn.Sequential(Conv(1, 3, 9, "relu", stride=9), nn.MaxPool2d(3), nn.Conv2d(3, 10, 1), LogProbabilities())
    native = NativeTrainer(model, RECIPE, noise(80), 0)
    weights = native.network.parameters
    weights[which] = value
    [(loss, _)] = native.train_epoch()
    assert math.isnan(loss)
    assert native.finite.item() == 0
    assert torch.equal(weights.isfinite().sum(), torch.tensor(weights.numel() - 1))


def test_an_infinite_displacement_shows_nothing_of_the_image() -> None:
    augmentation = RandomDistortion(elastic=1e39, interpolation="bilinear", on="tensor")
    native = NativeTrainer(network(), replace(RECIPE, augmentation=augmentation), noise(80), 0)
    [(loss, _)] = native.train_epoch()
    assert math.isfinite(loss)


def test_where_memory_is_lacking_nothing_is_taken_for_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    native = NativeTrainer(network(), RECIPE, noise(80), 0)
    lacks = SimpleNamespace(train=lambda *_: -1, predict=lambda *_: False, network_delete=lambda *_: None)
    with monkeypatch.context() as patched:
        patched.setattr(library, "load", lambda: lacks)
        with pytest.raises(MemoryError, match="no memory for a training step"):
            native.train_epoch()
        with pytest.raises(MemoryError, match="no memory for predictions of 80 images"):
            native.test()


def test_all_batches_of_a_sound_epoch_are_finite() -> None:
    trainer = NativeTrainer(network(), RECIPE, noise(8 * 60 - 1), 0)
    trainer.train_epoch()
    assert trainer.finite.tolist() == [60]


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def trained(steps: int, monkeypatch: pytest.MonkeyPatch) -> tuple[State, Any]:
    monkeypatch.setattr(NativeTrainer, "at_once", steps)
    trainer = NativeTrainer(features.everything(), features.ALL.recipe, noise(37 * 16 - 5), 0)
    loss = [trainer.train_epoch() for _ in range(2)]
    return trainer.state(), (loss, trainer.test())


def test_how_many_steps_are_taken_in_a_call_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    (one, results), (other, others) = (trained(steps, monkeypatch) for steps in (50, 7))
    assert same(one, other)
    assert results == others


@pytest.mark.parametrize(
    ("images", "batch_size"), [(9, 8), (4, 1), (1, 1), (1, 8), (3, 2), (16, 8), (10, 8), (4, 2), (7, 3)]
)
def test_a_batch_of_one_number_per_map_is_not_normalized_as_torch_refuses_to(images: int, batch_size: int) -> None:
    layers = nn.Sequential(nn.Conv2d(1, 10, 28), nn.BatchNorm2d(10), nn.Flatten(), nn.LogSoftmax(1))
    try:
        for batch in torch.rand(images, 1, 28, 28).split(batch_size):
            deepcopy(layers).train()(batch)
    except ValueError:
        with pytest.raises(NotCoveredError, match="a batch of one image"):
            NativeTrainer(layers, replace(RECIPE, batch_size=batch_size), noise(images), 0)
    else:
        NativeTrainer(layers, replace(RECIPE, batch_size=batch_size), noise(images), 0).train_epoch()


def test_a_batch_of_one_image_is_normalized_where_maps_have_more_numbers() -> None:
    layers = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 10, 28), nn.Flatten(), nn.LogSoftmax(1))
    [(loss, _)] = NativeTrainer(layers, replace(RECIPE, batch_size=1), noise(4), 0).train_epoch()
    assert math.isfinite(loss)


def test_the_order_of_the_images_is_that_of_the_other_trainer() -> None:
    """The labels of a batch are those of its images, too."""
    data = noise(40)
    native, eager = (trainer(network(), RECIPE, data, 4) for trainer in (NativeTrainer, SingleTrainer))
    for _ in range(2):
        [(loss, correct)], [(expected, hits)] = native.train_epoch(), eager.train_epoch()
        assert loss == pytest.approx(expected, abs=1e-5)
        assert correct == hits
    [ours], [theirs] = native.test(), eager.test()
    assert ours.errors == theirs.errors
    assert ours.loss == pytest.approx(theirs.loss, abs=1e-5)


def junk(state: State) -> Tensor:
    return torch.randint(0, 256, state[ORDER].shape, dtype=torch.uint8)


STRANGE: dict[str, tuple[Callable[[State], State], str]] = {
    "less": (
        lambda state: {n: v for n, v in state.items() if n != "momentum"},
        "not the same tensors: .*momentum",
    ),
    "more": (lambda state: state | {"spare": torch.zeros(1)}, "not the same tensors: .*spare"),
    "no average": (
        lambda state: {n: v for n, v in state.items() if "average" not in n},
        "not the same tensors: .*average",
    ),
    "no order": (lambda state: {n: v for n, v in state.items() if n != ORDER}, "not the same tensors"),
    "shape": (lambda state: state | {"momentum": torch.zeros(3)}, r"momentum is \(3,\) torch.float32, not"),
    "dtype": (lambda state: state | {"momentum": state["momentum"].double()}, "momentum is .* torch.float64, not"),
    "short generator": (lambda state: state | {ORDER: state[ORDER][:, :-8]}, r"generator.order is \(1, .*, not"),
    "generator of zeros": (
        lambda state: state | {ORDER: state[ORDER] * 0},
        "generator.order is no state of a generator",
    ),
    "generator of integers": (lambda state: state | {ORDER: state[ORDER].long()}, "generator.order is .* torch.int64"),
    "junk": (lambda state: state | {ORDER: junk(state)}, "generator.order is no state of a generator"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", STRANGE)
def test_a_state_of_another_network_is_refused_and_changes_nothing(name: str) -> None:
    change, message = STRANGE[name]
    data = noise(74)
    trainer, other = (NativeTrainer(features.everything(), features.ALL.recipe, data, seed) for seed in (0, 1))
    other.train_epoch()
    before = trainer.state()
    with pytest.raises(ValueError, match=message):
        trainer.restore(change(other.state()), 1)
    assert same(trainer.state(), before)
    assert trainer.epoch == 0


def test_a_state_is_a_copy() -> None:
    trainer = NativeTrainer(features.everything(), features.ALL.recipe, noise(74), 0)
    state = trainer.state()
    copies = {name: value.clone() for name, value in state.items()}
    trainer.train_epoch()
    assert same(state, copies)
    assert not same(state, trainer.state())


def resident() -> int:
    """The memory of this process in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.thorough
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc")
def test_the_memory_of_a_trainer_is_given_back() -> None:
    recipe, data = replace(features.ALL.recipe, batch_size=512), noise(16)
    sizes = []
    for _ in range(16):
        NativeTrainer(features.everything(), recipe, data, 0).train_epoch()
        sizes.append(resident())
    # One trainer has about 30 MB. The garbage collector is not called: a cycle would keep the memory until it runs.
    assert max(sizes[10:]) - sizes[10] < 50e6


@pytest.mark.parametrize("batch_size", [74, 20_000, 5_500_000])
def test_batches_larger_than_the_data_are_one_batch_of_all_of_it(batch_size: int) -> None:
    data = noise(74)
    expected, trainer = (
        NativeTrainer(features.everything(), replace(features.ALL.recipe, batch_size=n), data, 0)
        for n in (74, batch_size)
    )
    for _ in range(2):
        assert trainer.train_epoch() == expected.train_epoch()
    assert same(trainer.state(), expected.state())
    assert trainer.test() == expected.test()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc")
def test_the_memory_of_a_trainer_is_that_of_the_batches_that_come() -> None:
    taught = replace(RECIPE, teacher=steps()["frontier/step12"].recipe.teacher, batch_size=20_000)
    before = resident()
    trainer = NativeTrainer(network(), taught, noise(16), 0)
    assert trainer.teacher is not None
    assert resident() - before < 200e6  # the teacher for 20,000 images alone has gigabytes


def test_two_trainers_do_not_disturb_each_other() -> None:
    recipe, data = features.ALL.recipe, noise(74)
    alone = NativeTrainer(features.everything(), recipe, data, 0)
    expected = [alone.train_epoch(), alone.test(), alone.train_epoch(), alone.test()]
    one = NativeTrainer(features.everything(), recipe, data, 0)
    found: list[Any] = [one.train_epoch()]
    other = NativeTrainer(network(), replace(RECIPE, batch_size=64), data, 1)
    other.train_epoch()
    found.append(one.test())
    other.test()
    found.append(one.train_epoch())
    other.train_epoch()
    del other
    found.append(one.test())
    assert found == expected
    assert same(one.state(), alone.state())


LACKING = """
import resource
from torch import nn
from harness.data.synthetic import synthetic
from harness.recipe import Recipe
from harness.training.native.trainer import NativeTrainer

layers = nn.Conv2d(1, 1500, 1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(1500, 10, 1), nn.Flatten(), nn.LogSoftmax(1)
trainer = NativeTrainer(nn.Sequential(*layers), Recipe(lr=0.01, batch_size=16, epochs=1), synthetic(16), 0)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))
for _ in range(2):
    try:
        trainer.train_epoch()
    except MemoryError as error:
        print(error)
"""
THREADS = """
import os, torch
from harness.training.native.trainer import NativeTrainer
from spec.harness.training.native import features
from spec.harness.training.native.eager import noise

counts = []
for turn in range(6):
    torch.set_num_threads(1 + 2 * (turn % 2))
    NativeTrainer(features.everything(), features.ALL.recipe, noise(100), 0).train_epoch()
    counts.append(len(os.listdir("/proc/self/task")))
print(counts[1:] == counts[1:2] * 5)
"""


@pytest.mark.end_to_end
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc")
@pytest.mark.parametrize(
    ("program", "printed"),
    [(LACKING, "no memory for a training step\n" * 2), (THREADS, "True\n")],
    ids=["too little memory, again", "threads"],
)
def test_a_process_goes_on(program: str, printed: str) -> None:
    """A training that lacks memory raises the same error when it is tried again, and pools of threads are reused."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, timeout=120, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, printed), ended.stderr


FORK = """
import os, sys, torch
from harness.training.native.trainer import NativeTrainer
from spec.harness.training.native import features
from spec.harness.training.native.eager import noise

torch.set_num_threads(2)
data = noise(100)

def trained():
    trainer = NativeTrainer(features.everything(), features.ALL.recipe, data, 0)
    trainer.train_epoch()
    return trainer.network.parameters.numpy().tobytes()

before = trained()
older = NativeTrainer(features.everything(), features.ALL.recipe, data, 0)
child = os.fork()
if child == 0:
    older.train_epoch(), older.test()
    os._exit(0 if trained() == before == older.network.parameters.numpy().tobytes() else 3)
assert os.waitpid(child, 0)[1] == 0
assert trained() == before
"""


@pytest.mark.end_to_end
def test_a_process_that_was_forked_has_threads_of_its_own() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run([sys.executable, "-c", FORK], env=environment, timeout=60, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
