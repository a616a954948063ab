"""Profiles: the files that are written, and how torch-tb-profiler reads them, in its own parser and over HTTP."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness import Recipe, StepSpec
from harness.__main__ import main
from harness.benchmark.profiler import ACTIVE, Trace, for_plugin, trace
from harness.commands import train
from harness.discovery import find
from harness.errors import HarnessError
from harness.step import Step
from spec.harness.benchmark.profiled_cuda import CUDA_TRACE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the plugin's own imports


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profile")


@pytest.fixture(scope="module")
def step() -> type[Step]:
    return find("frontier/step6")


@pytest.fixture(scope="module")
def made(folder: Path, step: type[Step]) -> Trace:
    return trace(step, torch.device("cpu"), folder)


def read(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


def parsed(trace: dict[str, Any]) -> Any:
    """The trace as parsed by the plugin."""
    import_module("torch_tb_profiler.profiler")  # before its parts, which import each other
    return import_module("torch_tb_profiler.profiler.data").RunProfileData.from_json("worker", None, trace)


def by_name(profile: Any) -> dict[str, Any]:
    """The rows of the plugin's operator table."""
    return {operator.name: operator for operator in profile.op_list_groupby_name}


def test_the_plugin_sees_the_kernels_of_a_cuda_trace_in_its_copy() -> None:
    """In the trace, aten::conv2d launches 70 us of kernel in each of 2 steps, aten::copy_ a copy of 5 us in one."""
    profile = parsed(for_plugin(CUDA_TRACE))
    operators = by_name(profile)
    assert operators["aten::conv2d"].calls == 2
    assert operators["aten::conv2d"].device_duration == 140
    assert operators["aten::conv2d"].self_device_duration == 0
    assert operators["aten::cudnn_convolution"].self_device_duration == 140
    assert operators["aten::copy_"].self_device_duration == 5
    assert operators["triton_fused"].self_device_duration == 11  # launched through the driver, not the runtime
    # 30 us less the 8 us of the launch inside
    assert operators["aten::cudnn_convolution"].self_host_duration == 2 * (30 - 8)
    assert profile.has_runtime
    assert profile.has_kernel
    assert profile.steps_names == ["3", "4"]
    assert profile.forward_backward_events == {1010: 1100, 2010: 2100}


def test_the_plugin_sees_none_of_them_in_the_trace_itself() -> None:
    """Why there is a copy: if this fails, the plugin knows the categories of torch 2, and the copy can go."""
    operators = by_name(parsed(CUDA_TRACE))
    assert operators["aten::conv2d"].device_duration == 0
    assert operators["aten::cudnn_convolution"].self_host_duration == 60


def test_loading_data_is_counted_as_such_in_the_copy() -> None:
    costs = parsed(for_plugin(CUDA_TRACE)).steps_costs
    loading = import_module("torch_tb_profiler.profiler.event_parser").ProfileRole.DataLoader
    assert [step.costs[loading] for step in costs] == [4, 4]


def test_a_call_outside_of_every_operator_is_given_to_none() -> None:
    """The event queries of the trace have no external id; the modules of a trace have none for the plugin either."""
    nodes = [node for root in parsed(for_plugin(CUDA_TRACE)).tid2tree.values() for node in descendants(root)]
    modules = [node for node in nodes if node.name == "nn.Module: Conv2d_0"]
    assert [module.runtimes for module in modules] == [[], []]


def descendants(node: Any) -> Iterator[Any]:
    for child in node.children:
        yield child
        yield from descendants(child)


def test_the_trace_that_is_copied_is_left_as_it_is() -> None:
    before = json.dumps(CUDA_TRACE)
    assert for_plugin(CUDA_TRACE) != CUDA_TRACE
    assert json.dumps(CUDA_TRACE) == before


@pytest.mark.thorough
def test_the_files_lie_where_the_plugin_looks_and_only_the_copy_is_found(
    made: Trace, folder: Path, step: type[Step]
) -> None:
    pattern = import_module("torch_tb_profiler.consts").WORKER_PATTERN
    files = {path.name for path in (folder / step.id).iterdir()}
    assert files == {made.perfetto.name, made.tensorboard.name, made.operators.name}
    found = {name: match for name in files if (match := pattern.match(name))}
    assert list(found) == [made.tensorboard.name]
    worker, span = found[made.tensorboard.name].groups()
    assert worker == "cpu"
    assert span[1:].isdecimal()


@pytest.mark.thorough
def test_the_native_trace_has_the_steps_and_links_forward_with_backward(made: Trace) -> None:
    events = read(made.perfetto)["traceEvents"]
    assert sum(event["name"].startswith("ProfilerStep#") and event["ph"] == "X" for event in events) == ACTIVE
    assert any(event.get("cat") == "fwdbwd" for event in events)
    copied = read(made.tensorboard)["traceEvents"]
    assert len(copied) == len(events)
    assert not any(event.get("cat") == "fwdbwd" for event in copied)


@pytest.mark.thorough
def test_the_table_names_the_operators_and_the_file_has_more_of_them(made: Trace) -> None:
    """frontier/step6 has convolutions; nearly all the time of its training is in them and in batch norm."""
    assert "aten::convolution_backward" in made.table
    shown, saved = names(made.table), names(made.operators.read_text())
    assert len(shown) == 20
    assert shown == saved[:20] != saved


def names(table: str) -> list[str]:
    """The first column of the rows, which are those that end with a whole number of calls."""
    return [line.split()[0] for line in table.splitlines() if re.search(r" \d+ *$", line)]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, step: type[Step]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"^cannot write .*file/x: Not a directory; name another folder with --out$"):
        trace(step, torch.device("cpu"), tmp_path / "file" / "x")


class Small(StepSpec):
    """Step 1: small."""

    model = staticmethod(
        lambda: nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))
    )
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=8, epochs=1)


@pytest.mark.thorough
def test_the_command_line_profiles_instead_of_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Small
    monkeypatch.setattr(train, "find", {step.id: step}.__getitem__)
    assert main(["train", step.id, "--device", "cpu", "--profile", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    [native] = (tmp_path / "profile" / step.id).glob("*.perfetto.json.gz")
    assert "aten::convolution_backward" in printed
    assert str(native) in printed
    assert f"tensorboard --logdir {tmp_path / 'profile'}" in printed
    assert main(["train", step.id, "--profile", "--record"]) == 2
    assert "--profile takes a few steps and makes no run; leave out --record" in capsys.readouterr().err


class TensorBoard:
    """A TensorBoard server on loopback."""

    def __init__(self, logdir: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1"]
        log = (logdir / "tensorboard.log").open("wb")
        self.log = Path(log.name)
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()

    def end(self) -> None:
        """End the server, and the processes that its plugin started to read a run, which would go on without it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, route: str, **query: str) -> Any:
        """The JSON of one of the plugin's routes."""
        url = f"http://127.0.0.1:{self.port}/data/plugin/pytorch_profiler/{route}?{urllib.parse.urlencode(query)}"
        # Without the proxy that the environment may name: the server is on this machine.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as response:
            body = response.read()
            return json.loads(gzip.decompress(body) if response.headers["Content-Encoding"] == "gzip" else body)

    def runs(self, seconds: float = 240) -> list[str]:
        """The plugin's runs once it has loaded them; the server answers before that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = self.get("runs")
            except urllib.error.URLError:
                answer = {"runs": [], "loading": True}
            if answer["runs"] and not answer["loading"]:
                return list(answer["runs"])
            time.sleep(0.2)
        pytest.fail(f"TensorBoard shows no run:\n{self.log.read_text()}")


@pytest.fixture
def tensorboard(made: Trace, folder: Path) -> Iterator[TensorBoard]:
    server = TensorBoard(folder)
    yield server
    server.end()


@pytest.mark.thorough
@pytest.mark.tensorboard
@pytest.mark.skipif(
    find_spec("tensorboard") is None or find_spec("torch_tb_profiler") is None,
    reason="needs tensorboard and torch-tb-profiler: pip install tensorboard torch-tb-profiler",
)
def test_tensorboard_shows_the_run_its_views_its_operators_and_its_memory(
    tensorboard: TensorBoard, step: type[Step]
) -> None:
    assert tensorboard.runs() == [step.id]
    assert set(tensorboard.get("views", run=step.id)) >= {"Overview", "Operator", "Trace", "Memory", "Module"}
    assert tensorboard.get("workers", run=step.id, view="Overview") == ["cpu"]
    one = {"run": step.id, "worker": "cpu", "span": "1"}

    rows = {row["name"]: row for row in tensorboard.get("operation/table", **one, group_by="Operation")["data"]}
    # conv2d in Python is aten::convolution below: one a layer and a step
    layers = sum(isinstance(module, nn.Conv2d) for module in step.model().modules())
    assert rows["aten::convolution"]["calls"] == layers * ACTIVE
    assert rows["aten::convolution_backward"]["host_self_duration"] > 0

    overview = tensorboard.get("overview", **one)
    assert len(overview["steps"]["rows"]) == ACTIVE
    loading = next(row for row in overview["performance"][0]["children"] if row["name"] == "DataLoader")
    assert loading["value"] > 0

    memory = tensorboard.get("memory", **one)
    assert memory["metadata"]["default_device"] == "CPU"
    assert len(memory["rows"]["CPU"]) > 10
