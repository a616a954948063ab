"""Whatever stands where a file should is refused at once, in one line that names it: nothing waits for its end."""

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.benchmark import baseline
from harness.commands.compare import against
from harness.data import download
from harness.errors import HarnessError
from harness.evidence import published, record, record_folder
from harness.jobs import checkpoint, run_file, search_log
from harness.report import benchmark, update
from harness.step import Step
from harness.training import weights
from spec.harness.evidence.records_of import step_with

pytestmark = pytest.mark.timeout(60)


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": socket_at,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


READERS: dict[str, Callable[[type[Step], Path], object]] = {
    "a record": lambda step, path: record.read_file(path, step),
    "a record of another machine": lambda step, path: against(step, path),
    "a run file": lambda step, path: run_file.read(path, step),
    "a checkpoint": lambda step, path: checkpoint.read(path),
    "the log of a search": lambda step, path: search_log.read(path),
    "a baseline": lambda step, path: baseline._benchmarks(path),
    "a spec": lambda step, path: update._text(path),
    "all records": lambda step, path: record_folder.checksums(path.parent),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_no_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    step, path = step_with(tmp_path, "mine/step"), tmp_path / "odd.json"
    odd(path)
    for name, read in READERS.items():
        with pytest.raises(HarnessError) as error:
            read(step, path)
        assert str(path) in str(error.value), name


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_no_file_is_named_where_a_step_has_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: Callable[[Path], object]
) -> None:
    step = step_with(tmp_path, "mine/step")
    places: dict[Path, Callable[[type[Step]], object]] = {
        record.path_of(step): record.read,
        record.path_of(step, "cuda"): partial(record.read, device="cuda"),
        published.path_of(step): published.read,
        weights.path_of(step): weights.read,
    }
    for path, read in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(path.parent)
        odd(path)
        with pytest.raises(HarnessError) as error:
            read(step)
        assert str(path) in str(error.value)
    monkeypatch.setattr(benchmark, "path", lambda: tmp_path / "mine" / "records" / "step.json")
    with pytest.raises(HarnessError, match="is not what the benchmark wrote"):
        benchmark.recorded()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_no_file_is_not_taken_for_mnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in download.FILES:
        odd(tmp_path / file.name)
    with pytest.raises(HarnessError, match="does not hold MNIST") as error:
        download.find(tmp_path)
    assert all(file.name in str(error.value) for file in download.FILES)
