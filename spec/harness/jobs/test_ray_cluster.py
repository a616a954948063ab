"""What a command makes of the answers of its Ray cluster, for which a stand-in gives them: no cluster is started."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.child import unpickled
from harness.errors import HarnessError
from harness.jobs import ray_cluster, worker
from harness.jobs.engines import Local
from harness.jobs.job import Engine, Job, StepsDone, Update
from harness.jobs.ray_cluster import RayCluster
from harness.provenance import provenance
from harness.run import Epoch
from spec.harness.jobs import ray_stand_in, small


class Driver:
    """A stand-in for the process that talks to Ray: it gives these answers, and notes what it is sent."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers, self.sent, self.ended = answers, list[bytes](), 0

    def receive(self) -> Any:
        return self.answers.pop(0)

    def send(self, raw: bytes) -> None:
        self.sent.append(raw)

    def end(self, patience: float) -> None:
        self.ended += 1


Answers = Callable[..., Driver]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Make Ray give these answers: first the cores and GPUs of the cluster, or why there is none."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # which it sets for good
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)

    def give(*answers: Any) -> Driver:
        driver = Driver(list(answers))
        monkeypatch.setattr(ray_cluster, "Child", lambda *_: driver)
        return driver

    return give


@pytest.mark.parametrize(
    ("word", "found", "expected"),
    [
        ("auto", (8, 0), ("cpu", 8)),
        ("auto", (8, 2), ("cuda", 2)),
        ("cuda", (8, 2), ("cuda", 2)),
        ("cpu", (8, 2), ("cpu", 8)),
    ],
)
def test_it_has_a_worker_for_each_gpu_of_the_cluster_or_for_each_core(
    answers: Answers, word: str, found: tuple[int, int], expected: tuple[str, int]
) -> None:
    driver = answers(found)
    cluster = RayCluster(word, None)
    assert (cluster.device.type, cluster.workers) == expected
    assert driver.ended == 0


@pytest.mark.parametrize(
    ("word", "answer", "message"),
    [
        ("cuda", (8, 0), "cuda was asked for, but the Ray cluster has no GPU; use --device cpu"),
        ("auto", HarnessError("Ray: starting it raised RuntimeError"), "Ray: starting it raised RuntimeError"),
    ],
)
def test_a_cluster_that_is_of_no_use_is_left_with_one_line(
    answers: Answers, word: str, answer: Any, message: str
) -> None:
    driver = answers(answer)
    with pytest.raises(HarnessError) as error:
        RayCluster(word, None)
    assert (str(error.value), driver.ended) == (message, 1)


@pytest.mark.parametrize("word", ["cuda:0", "banana"])
def test_what_no_task_of_a_cluster_can_have_is_refused_before_it_starts(answers: Answers, word: str) -> None:
    answers()
    with pytest.raises(HarnessError, match=r"name --device cuda, not cuda:0$|^unknown device 'banana'"):
        RayCluster(word, None)


def test_without_ray_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(HarnessError) as error:
        RayCluster("cpu", None)
    assert str(error.value) == "--engine ray needs Ray; install it with: pip install ray"


JOB = Job(small.Plain, (3,), epochs=2)


def test_updates_pass_until_the_last_of_each_set_and_the_cluster_is_left_with_the_engine(answers: Answers) -> None:
    updates = [(0, Update(b"one")), (1, HarnessError("the second failed")), (0, Update(b"two"))]
    driver = answers((8, 2), *updates, None, (0, Update(b"of the next")), None)
    cluster = RayCluster("auto", None)
    assert list(cluster.run([JOB], small.images())) == updates
    assert list(cluster.run([], small.images())) == []
    assert list(cluster.run([JOB], small.images())) == [(0, Update(b"of the next"))]
    for jobs, _, device in map(unpickled, driver.sent):
        assert ([(one.step, one.seeds) for one in jobs], device) == ([(small.Plain, (3,))], "cuda")
    assert (len(driver.sent), driver.ended) == (2, 0)
    del cluster
    assert driver.ended == 1


def test_a_cluster_that_is_lost_in_training_is_left_after_what_it_gave_and_joined_again(answers: Answers) -> None:
    lost = HarnessError("Ray: training raised ObjectLostError")
    driver = answers((8, 0), (0, Update(b"one")), lost, (8, 0), (0, Update(b"two")), None)
    cluster = RayCluster("auto", None)
    updates = cluster.run([JOB], small.images())
    assert next(updates) == (0, Update(b"one"))
    with pytest.raises(HarnessError, match="^Ray: training raised ObjectLostError$"):
        next(updates)
    assert driver.ended == 1
    assert list(cluster.run([JOB], small.images())) == [(0, Update(b"two"))]


def test_steps_are_shown_and_are_no_updates(answers: Answers) -> None:
    answers((8, 0), (0, StepsDone(3, 8)), (0, Update(b"one")), (1, StepsDone(7, 8)), None)
    cluster = RayCluster("auto", None)
    shown: list[Any] = []
    cluster.on_steps = lambda *steps: shown.append(steps)
    other = Job(small.Simple, (5,), epochs=2)
    assert list(cluster.run([JOB, other], small.images())) == [(0, Update(b"one"))]
    assert shown == [(small.Plain, (3,), 3, 8), (small.Simple, (5,), 7, 8)]


def test_tasks_note_their_steps_beside_their_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PERIOD", 0.0)
    images = small.images()
    found = list(ray_cluster._results(ray_stand_in, [JOB], images.arrays(), "cpu"))
    updates = [message for _, message in found if isinstance(message, Update)]
    assert len(updates) == 1 + JOB.epochs
    steps = math.ceil(len(images.train_labels) / small.Plain.recipe.batch_size)
    assert [message for _, message in found if isinstance(message, StepsDone)] == [(steps, steps)] * JOB.epochs


def test_a_set_of_jobs_that_is_abandoned_leaves_the_cluster(answers: Answers) -> None:
    driver = answers((8, 0), (0, Update(b"one")))
    cluster = RayCluster("auto", None)
    updates = cluster.run([JOB], small.images())
    next(updates)
    updates.close()
    assert driver.ended == 1


def epochs(engine: Engine, seed: int) -> list[Epoch]:
    """The epochs of a run by an engine, without their seconds."""
    updates = [update for _, update in engine.run([Job(small.Plain, (seed,), epochs=2)], small.images())]
    found = [update.outcomes[seed] for update in updates if isinstance(update, Update) and update.outcomes]
    return [replace(epoch, seconds=0.0) for epoch in found if isinstance(epoch, Epoch)]


@pytest.mark.end_to_end
def test_one_process_trains_one_set_of_jobs_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is a real one; what it calls of Ray trains in that process."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    shutil.copy(ray_stand_in.__file__, tmp_path / "ray.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)
    torch.set_num_threads(1)  # as there
    local, cluster = Local(torch.device("cpu")), RayCluster("cpu", None)
    process = cluster._driver.process
    for seed in (3, 4):
        found = epochs(cluster, seed)
        assert (len(found), found) == (2, epochs(local, seed))
        assert (cluster._driver.process, process.is_alive()) == (process, True)
    del cluster
    assert not process.is_alive()


def test_what_may_differ_from_node_to_node_is_no_part_of_its_provenance(answers: Answers) -> None:
    answers((8, 2))
    made, here = RayCluster("auto", None).provenance(small.Plain), provenance(small.Plain, torch.device("cpu"))
    assert made["device"] == "cuda"
    assert made.keys().isdisjoint({"hardware", "cpu", "capability", "platform", "python", "threads"})
    assert {key: made[key] for key in ("fingerprint", "torch", "data")} == {
        key: here[key] for key in ("fingerprint", "torch", "data")
    }
