"""Whatever a network or a recipe raises is one line of its own seed, on every engine, and never status 1."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness import Recipe
from harness.data.synthetic import synthetic
from harness.errors import HarnessError
from harness.jobs.engines import Local
from harness.jobs.job import Engine, Job, Update
from harness.jobs.processes import Processes
from harness.jobs.ray_cluster import _Board, _work
from harness.jobs.worker import boundary
from spec.harness.jobs import ray_stand_in, small
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call


class _OwnError(BaseException):
    """Of a user, without a message, and not an Exception."""


def _recurse(images: Any = None) -> Any:
    return _recurse(images)


def raiser(error: BaseException) -> Callable[..., Any]:
    """A function that raises an exception whatever it is given."""

    def act(*arguments: Any) -> Any:
        raise error

    return act


class Network(small.Network):
    """A sound network, of which a test replaces a part."""

    at_start: Callable[..., Any] | None = None
    in_training: Callable[..., Any] | None = None
    in_forward: Callable[..., Any] | None = None

    def __init__(self) -> None:
        super().__init__()
        if self.at_start is not None:
            self.at_start()

    def forward(self, images: Tensor) -> Any:
        if self.in_forward is not None:
            return self.in_forward(images)
        if self.training and self.in_training is not None:
            return self.in_training(images)
        return super().forward(images)  # type: ignore[no-untyped-call]


class Empty(nn.Module):
    """Without parameters."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None].expand(-1, 10).log_softmax(1)


def step(number: int, model: Any) -> type[small.Plain]:
    """A step of that model, which another process finds in this module."""
    body = {"__doc__": small.Plain.__doc__, "__module__": __name__, "model": model, "recipe": RECIPE}
    made: Any = type(f"Step{number}", (small.Plain,), body)
    made.id = f"mine/step{number}"
    setattr(sys.modules[__name__], made.__name__, made)
    step: type[small.Plain] = made
    return step


def network(part: str, act: Callable[..., Any]) -> type[Network]:
    """A network with a part replaced."""
    return type("Network", (Network,), {part: staticmethod(act)})


def constant(images: Tensor) -> Tensor:
    """Log-probabilities that no weight has a part in."""
    return torch.zeros(len(images), 10)


RECIPE = Recipe(lr=0.05, batch_size=32, epochs=1)
AT_START, IN_FORWARD, IN_TRAINING = "at_start", "in_forward", "in_training"
CONSTRUCTOR, FORWARD = "its constructor raised", "its forward pass raised"
TURNS = "the model turns 2 x 1 x 28 x 28 into"
PARTS: list[tuple[str, Callable[..., Any], str]] = [
    (AT_START, raiser(KeyError("x")), f"{CONSTRUCTOR} KeyError: 'x' ("),
    (AT_START, raiser(SystemExit(0)), f"{CONSTRUCTOR} SystemExit: 0 ("),
    (IN_FORWARD, raiser(KeyError("x")), f"{FORWARD} KeyError: 'x' ("),
    (IN_FORWARD, raiser(SystemExit(0)), f"{FORWARD} SystemExit: 0 ("),
    (IN_FORWARD, raiser(_OwnError()), f"{FORWARD} _OwnError ("),
    (IN_FORWARD, _recurse, f"{FORWARD} RecursionError: maximum recursion depth exceeded"),
    (IN_FORWARD, lambda images: constant(images) * 1j, "the model returns torch.complex64, not"),
    (IN_FORWARD, lambda images: constant(images).long(), "the model returns torch.int64, not"),
    (IN_FORWARD, lambda images: None, f"{TURNS} a NoneType, not 2 x 10"),
    (IN_FORWARD, lambda images: (constant(images),) * 2, f"{TURNS} a tuple, not 2 x 10"),
    (IN_FORWARD, lambda images: images, f"{TURNS} 2 x 1 x 28 x 28, not 2 x 10"),
    (IN_TRAINING, raiser(KeyError("x")), f"{FORWARD} KeyError: 'x' ("),
    (IN_TRAINING, raiser(SystemExit(0)), f"{FORWARD} SystemExit: 0 ("),
    (IN_TRAINING, raiser(BrokenPipeError(32, "gone")), f"{FORWARD} BrokenPipeError: [Errno 32] gone ("),
    (IN_TRAINING, constant, "its backward pass raised RuntimeError: element 0 of tensors does not require grad"),
    (IN_TRAINING, lambda images: None, "its recipe raised TypeError: "),
]
MODELS: list[tuple[Any, str]] = [(network(part, act), message) for part, act, message in PARTS]
MODELS += [(dict, "its constructor gives dict, which is no torch.nn.Module")]
MODELS += [(Empty, "the model has no parameters to train")]
CASES = [(step(number, model), message) for number, (model, message) in enumerate(MODELS)]


def errors_of(engine: Engine, jobs: list[Job]) -> dict[int, list[str]]:
    """The errors of each job by its index; that of a seed counts like that of a job."""
    found: dict[int, list[str]] = {index: [] for index in range(len(jobs))}
    for index, update in engine.run(jobs, synthetic(96)):
        outcomes = [update] if isinstance(update, HarnessError) else update.outcomes.values()
        found[index] += [str(one) for one in outcomes if isinstance(one, HarnessError)]
    return found


def check(found: dict[int, list[str]]) -> None:
    """Each job has one error, of its step, its seed and its stage, and the last job none."""
    *errors, sound = found.values()
    assert sound == []
    for (made, message), one in zip(CASES, errors, strict=True):
        [line] = one
        parts = (f"{made.id}, seed 7: {message}", f"{made.id}: the model ", f"{made.id}: its constructor ")
        assert line.startswith(parts)
        assert message in line
        assert line.isprintable()


def jobs() -> list[Job]:
    return [Job(made, (7,), 1) for made in [*(made for made, _ in CASES), small.Simple]]


@pytest.mark.thorough
def test_in_this_process_a_job_that_fails_names_its_seed_and_the_others_train() -> None:
    check(errors_of(Local(torch.device("cpu")), jobs()))


@pytest.mark.parametrize("part", [IN_FORWARD, IN_TRAINING])
def test_too_little_memory_is_named_wherever_it_shows(part: str) -> None:
    """In the check of the output, which is the first to run a network on its device, as well as in training."""
    hungry = step(len(CASES), network(part, raiser(torch.OutOfMemoryError("CUDA out of memory"))))
    found = errors_of(Local(torch.device("cpu")), [Job(hungry, (7,), 1)])
    assert found == {0: [f"{hungry.id}, seed 7: out of memory on cpu; lower the batch_size of its recipe"]}


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "cuda:1"),
        (torch.AcceleratorError("CUDA error: out of memory"), "cuda:1"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "cuda:1"),
        (RuntimeError("[enforce fail] err == 0. DefaultCPUAllocator: can't allocate memory"), "cpu"),
        (MemoryError("no memory for a training step"), "cpu"),
    ],
)
def test_the_device_is_named_that_has_too_little_memory(error: Exception, where: str) -> None:
    told = rf"^small/simple, seed 7: out of memory on {where}; lower the batch_size of its recipe$"
    with pytest.raises(HarnessError, match=told), boundary(Job(small.Simple, (7,), 1), torch.device("cuda", 1)):
        raise error


@pytest.mark.end_to_end
def test_a_worker_survives_whatever_its_jobs_raise() -> None:
    check(errors_of(Processes([torch.device("cpu")]), jobs()))


@pytest.mark.thorough
def test_a_task_of_ray_yields_an_error_and_raises_none() -> None:
    arrays = synthetic(96).arrays()
    board = ray_stand_in.remote()(_Board).remote()
    updates = [list(_work(job, arrays, "cpu", index, board)) for index, job in enumerate(jobs())]
    check({index: [str(one) for one in all_of if not isinstance(one, Update)] for index, all_of in enumerate(updates)})


@pytest.mark.parametrize(("made", "message"), CASES)
def test_the_command_reports_one_line_and_status_2(
    call: Call, monkeypatch: pytest.MonkeyPatch, made: type[small.Plain], message: str
) -> None:
    monkeypatch.setitem(small.STEPS, made.id, made)
    monkeypatch.setattr(made, "source", Path("small", "test_01_small.py").absolute())
    status, runs, err = call(f"{made.id} --seed 7")
    assert (status, runs) == (2, [])
    *before, last = err.splitlines()
    assert all(line.startswith(f"{made.id} is trained by eager torch; on cpu") for line in before)
    in_training = getattr(made.model, IN_TRAINING, None) is not None
    assert last.startswith(f"python -m harness train: error: {made.id}{', seed 7' * in_training}: {message}")


def broken(index: int) -> Recipe:
    """A recipe whose rate cannot be computed, or not at once."""
    made = Recipe(lr=0.05, batch_size=32, epochs=2)
    object.__setattr__(made, *[("nesterov", True), ("schedule", None), ("batch_size", 32.5)][index])
    if index == 0:
        object.__setattr__(made, "momentum", 0.0)
    return made


@pytest.mark.parametrize("index", range(3))
def test_a_recipe_that_fails_in_training_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    monkeypatch.setattr(small.Plain, "recipe", broken(index))
    status, runs, err = call("small/plain --seed 7")
    assert (status, runs) == (2, [])
    assert err.startswith("python -m harness train: error: small/plain, seed 7: its recipe raised ")
    assert len(err.splitlines()) == 1
