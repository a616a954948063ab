"""Trainings give the same runs on every engine, and the death of a worker costs no more than its own job."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.child import exit_reason
from harness.errors import HarnessError
from harness.jobs import Engine, Request, Resumable, engine_of, find_resumable, run_jobs
from harness.jobs.engines import Local
from harness.jobs.processes import Processes
from harness.run import Run
from harness.step import Step
from harness.training.train import groups
from spec.harness.jobs import small
from spec.harness.jobs.faults import Note
from spec.harness.jobs.faults import note as note
from spec.harness.jobs.small import by_seed, ignore
from spec.harness.jobs.small import one_thread as one_thread
from spec.harness.support.gpus import has_gpus
from spec.harness.support.paths import ROOT
from spec.harness.support.processes import alive_in

SEEDS = [0, 1, 2, 3]
CPU = torch.device("cpu")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install ray)")


def train(step: type[Step], engine: Engine, folder: Path, resume: bool = False) -> Iterator[Run]:
    request = Request(step, SEEDS, 4, "eager", folder)
    resumable = find_resumable(request, engine) if resume else Resumable(request)
    return run_jobs(resumable, engine, small.images(), ignore)


@pytest.mark.end_to_end
def test_processes_give_the_same_runs_on_a_machine_that_is_suspended_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_seed(list(train(small.Plain, Local(CPU), tmp_path / "local")))
    hours = count(0, 3600.0)  # by the clock of this process, an hour between two looks at it
    monkeypatch.setattr(time, "monotonic", lambda: next(hours))
    assert by_seed(list(train(small.Plain, Processes([CPU, CPU]), tmp_path / "processes"))) == expected
    assert next(hours) > 10 * 3600


@pytest.mark.end_to_end
def test_a_worker_that_is_killed_costs_its_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Note
) -> None:
    expected = by_seed(list(train(small.Dying, Local(CPU), tmp_path / "local")))
    (tmp_path / "dies").touch()
    monkeypatch.setenv(small.DIES, str(tmp_path / "dies"))
    runs: list[Run] = []
    with pytest.raises(HarnessError) as lost:
        runs.extend(train(small.Dying, Processes([CPU, CPU]), tmp_path / "processes"))
    assert str(lost.value) == "small/dying, seed 1: its worker died (SIGKILL); start it again, with --resume for train"
    assert by_seed(runs) == {seed: run for seed, run in expected.items() if seed != 1}
    resumed = list(train(small.Dying, Local(CPU), tmp_path / "processes", resume=True))
    assert by_seed(resumed) == expected
    files = [path.name.split("-")[0] for path in sorted((tmp_path / "processes" / "small" / "dying").iterdir())]
    assert files == ["seed0", "seed1", "seed2", "seed3"]
    note(
        "a worker process is killed",
        "SIGKILL of itself in the second epoch of one of four seeds, `--engine processes`",
        1,
        "the error names step and seed; the other three runs are those of `--engine local` bit for bit; "
        "`--resume`, in one process, ends with all four",
    )


@pytest.mark.parametrize(
    ("workers", "expected"), [(1, [[3, 1, 4, 15]]), (2, [[3, 4], [1, 15]]), (9, [[3], [1], [4], [15]])]
)
def test_seeds_share_the_gpus_evenly(workers: int, expected: list[list[int]]) -> None:
    assert groups(small.Plain, [3, 1, 4, 15], torch.device("cuda"), workers) == expected
    assert groups(small.Plain, [3, 1], CPU, workers) == [[3], [1]]


@pytest.mark.parametrize(("engine", "tried"), [(Local, "cuda"), (lambda gpu: Processes([gpu]), "cpu")])
def test_only_who_trains_on_a_gpu_tries_there_whether_networks_can_be_stacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Callable[[torch.device], Engine], tried: str
) -> None:
    asked: list[str] = []

    def refusal(step: type[Step], device: torch.device) -> str:
        asked.append(device.type)
        raise HarnessError("enough is known")

    monkeypatch.setattr("harness.training.train.refusal", refusal)
    with pytest.raises(HarnessError, match="enough is known"):
        list(train(small.Plain, engine(torch.device("cuda")), tmp_path))
    assert asked == [tried]


@pytest.mark.parametrize(
    ("word", "names"), [("cuda", ["cuda:0", "cuda:2"]), ("auto", ["cuda:0", "cuda:2"]), ("cuda:1", ["cuda:1"])]
)
def test_every_gpu_like_the_first_has_a_process_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, word: str, names: list[str]
) -> None:
    has_gpus(monkeypatch, [(9, 0), (8, 6), (9, 0), (6, 1)])
    engine = engine_of("processes", word)
    assert isinstance(engine, Processes)
    assert (engine.device.type, engine.workers) == ("cuda", len(names))
    assert [str(device) for device in engine.devices] == names


@pytest.mark.parametrize(
    ("status", "words"), [(-9, "SIGKILL"), (-40, "signal 40"), (3, "exit status 3"), (None, "exit status None")]
)
def test_the_end_of_a_process_in_words(status: int | None, words: str) -> None:
    assert exit_reason(status) == words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("local", "cpu", "127.0.0.1:1"), "--ray-address is for --engine ray; leave it out, or name that engine"),
        (("ray", "cpu", "somewhere"), "--ray-address somewhere is not of the form HOST:PORT"),
        (("ray", "cpu", "127.0.0.1:99999"), "--ray-address 127.0.0.1:99999 is not of the form HOST:PORT"),
        (("ray", "cpu", "127.0.0.1:1"), "the Ray cluster at 127.0.0.1:1 cannot be reached: Connection refused"),
    ],
)
def test_an_engine_that_is_not_available_is_one_line(arguments: tuple[str, str, str], message: str) -> None:
    with pytest.raises(HarnessError) as error:
        engine_of(*arguments)
    assert str(error.value) == message


# The command line with the steps and the data of these tests.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored,
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup this one
import sys
from harness.data import download as data
from harness import discovery
from harness.__main__ import main
from spec.harness.jobs import small

discovery.steps = lambda: small.STEPS
if __name__ == "__main__":
    images = int(sys.argv.pop(1))
    data.load = lambda path=None: small.images(images)
    sys.exit(main())
"""


def command(folder: Path, images: int, line: str) -> subprocess.Popen[str]:
    """Start the command line in its own process and session, as a terminal does."""
    (folder / "command.py").write_text(COMMAND)
    return subprocess.Popen(
        [sys.executable, "command.py", str(images), *line.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_ctrl_c_ends_the_workers(tmp_path: Path, note: Note) -> None:
    with command(tmp_path, 4000, "train small/plain --seed 0 1 2 3 --engine processes --device cpu") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("small/plain is trained by ")
        for _ in range(2):
            assert process.stderr.readline().startswith("small/plain seed ")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        began = time.monotonic()
        _, err = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 130
    assert err.splitlines()[-1] == "python -m harness train: interrupted"
    assert "Traceback" not in err
    while alive_in(process.pid) and time.monotonic() < began + 30:
        time.sleep(0.1)  # a helper of multiprocessing ends last
    assert not alive_in(process.pid)
    assert took < 20
    resumed = command(tmp_path, 4000, "train small/plain --seed 0 1 2 3 --device cpu --json --resume")
    out, _ = resumed.communicate(timeout=300)
    assert sorted(json.loads(line)["seed"] for line in out.splitlines()) == SEEDS
    note(
        "Ctrl-C among worker processes",
        "SIGINT to the process group while two workers train",
        1,
        "status 130 in one line, no process left; `--resume` (in one process) ends with all four seeds",
    )


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("number", "status", "name"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")]
)
def test_kill_and_a_terminal_that_is_closed_end_the_workers(
    tmp_path: Path, number: signal.Signals, status: int, name: str
) -> None:
    with command(tmp_path, 4000, "train small/plain --seed 0 1 --engine processes --device cpu") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("small/plain is trained by ")
        assert process.stderr.readline().startswith("small/plain seed ")
        process.send_signal(number)  # and not to the workers
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err.splitlines()[-1] == f"python -m harness train: interrupted by {name}"
    assert "Traceback" not in err
    left = sorted(path.suffix for path in (tmp_path / "runs" / "small" / "plain").iterdir())
    assert {".safetensors", ".jsonl"} == set(left)  # what is to be resumed, and no lock
    deadline = time.monotonic() + 30
    while alive_in(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)  # a helper of multiprocessing ends last
    assert not alive_in(process.pid)


@pytest.mark.end_to_end
def test_ctrl_c_again_and_again_while_workers_start_is_one_line(tmp_path: Path) -> None:
    with command(tmp_path, 4000, "train small/plain --seed 0 1 2 3 --engine processes --device cpu") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("small/plain is trained by ")
        for _ in range(4):
            time.sleep(0.2)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "python -m harness train: interrupted\n"


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of two nodes with one core each, on the loopback interface."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own
@needs_ray
def test_ray_comes_to_the_same_and_a_node_that_dies_costs_nothing(tmp_path: Path, two_nodes: Any, note: Note) -> None:
    cluster, nodes = two_nodes
    expected = by_seed(list(train(small.Plain, Local(CPU), tmp_path / "local")))
    on_ray = engine_of("ray", "cpu", cluster.address)
    assert on_ray.workers == 2
    killed: list[int] = []

    def kill(step: type[Step], seed: int, epoch: Any) -> None:
        if not killed and epoch.epoch == 2:
            cluster.remove_node(nodes[0], allow_graceful=False)
            killed.append(seed)

    request = Request(small.Plain, SEEDS, 4, "eager", tmp_path / "ray")
    runs = run_jobs(Resumable(request), on_ray, small.images(), kill)
    assert by_seed(list(runs)) == expected
    assert killed
    for seed in SEEDS:
        [file] = (tmp_path / "ray" / "small" / "plain").glob(f"seed{seed}-*")
        assert [json.loads(line).get("epoch") for line in file.read_text().splitlines()] == [None, 1, 2, 3, 4]
    note(
        "a node of a Ray cluster dies",
        "one of two nodes is killed after the second epoch of a seed, `ray.cluster_utils.Cluster` on the loopback",
        1,
        "its tasks are run again on the other; all four histories are those of `--engine local` bit for bit",
    )


LISTENING = "0A"  # in /proc/net/tcp


def listening(table: str) -> dict[str, str]:
    """The addresses of the sockets of this machine that listen, by inode."""
    fields = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {one[9]: one[1].partition(":")[0] for one in fields if one[3] == LISTENING}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc/net/tcp to look at")
@needs_ray
def test_a_ray_that_is_started_here_listens_on_the_loopback_only(tmp_path: Path, note: Note) -> None:
    before = {**listening("tcp"), **listening("tcp6")}
    with command(tmp_path, 4000, "train small/plain --seed 0 1 --engine ray --device cpu") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("small/plain is trained by ")
        assert process.stderr.readline().startswith("small/plain seed ")
        after = {**listening("tcp"), **listening("tcp6")}
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    new = {address for inode, address in after.items() if inode not in before}
    assert len(after) > len(before)
    # 127.0.0.1, and the same as an address of IPv6, in the byte order of /proc
    assert new <= {"0100007F", "0000000000000000FFFF00000100007F"}, new
    assert process.returncode == 130
    note(
        "others reach for the ports of a Ray cluster",
        "`--engine ray` without an address; every socket that listens is looked up in /proc/net",
        1,
        "all are on 127.0.0.1; Ctrl-C ends it with status 130",
    )


@pytest.mark.end_to_end
def test_a_ray_whose_process_dies_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does, by the hand of Ray itself, when its daemon on this machine dies; here before it has answered."""
    from harness.jobs import ray_cluster

    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)
    monkeypatch.setattr(ray_cluster, "_drive", dies)
    with pytest.raises(HarnessError) as error:
        engine_of("ray", "cpu")
    assert str(error.value) == (
        "the Ray cluster is lost: a daemon of Ray died (exit status 7); start it again, with --resume for train"
    )


def dies(connection: Any, address: str | None) -> None:
    os._exit(7)
