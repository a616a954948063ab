"""Throughput: what a round is, when a figure is invalid, and pytest-benchmark kept from what would spoil it."""

import json
import os
import re
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness import Recipe, StepSpec, baseline, gpu_state, throughput, train
from harness.errors import HarnessError
from harness.throughput import Rounds, Watch, unteachable
from harness.together import Together

UUID = "GPU-6f4c1a2e-0d5b-4f7e-9a3c-2b8d7e1f0a11"
ALONE = f"""<?xml version="1.0" ?>
<nvidia_smi_log>
  <driver_version>575.51.02</driver_version>
  <gpu id="00000000:01:00.0">
    <uuid>GPU-00000000-1111-2222-3333-444444444444</uuid>
    <clocks_event_reasons><clocks_event_reason_hw_slowdown>Active</clocks_event_reason_hw_slowdown></clocks_event_reasons>
    <clocks><sm_clock>210 MHz</sm_clock></clocks>
    <processes><process_info><pid>77</pid><type>C</type></process_info></processes>
  </gpu>
  <gpu id="00000000:41:00.0">
    <product_name>NVIDIA H200</product_name>
    <uuid>{UUID}</uuid>
    <clocks_event_reasons>
      <clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
      <clocks_event_reason_applications_clocks_setting>Active</clocks_event_reason_applications_clocks_setting>
      <clocks_event_reason_sw_power_cap>Not Active</clocks_event_reason_sw_power_cap>
      <clocks_event_reason_hw_slowdown>Not Active</clocks_event_reason_hw_slowdown>
      <clocks_event_reason_sw_thermal_slowdown>Not Active</clocks_event_reason_sw_thermal_slowdown>
    </clocks_event_reasons>
    <clocks_event_reasons_counters>
      <clocks_event_reasons_counters_sw_power_cap>1000000 us</clocks_event_reasons_counters_sw_power_cap>
      <clocks_event_reasons_counters_sync_boost>7 us</clocks_event_reasons_counters_sync_boost>
      <clocks_event_reasons_counters_hw_power_brake>N/A</clocks_event_reasons_counters_hw_power_brake>
    </clocks_event_reasons_counters>
    <temperature><gpu_temp>41 C</gpu_temp></temperature>
    <gpu_power_readings><average_power_draw>118.15 W</average_power_draw>
      <instant_power_draw>120.26 W</instant_power_draw></gpu_power_readings>
    <clocks><graphics_clock>1980 MHz</graphics_clock><sm_clock>1965 MHz</sm_clock></clocks>
    <max_clocks><sm_clock>1980 MHz</sm_clock></max_clocks>
    <processes>
      <process_info><pid>1802</pid><type>G</type><process_name>Xorg</process_name></process_info>
      <process_info><pid>4711</pid><type>C</type><process_name>python</process_name></process_info>
    </processes>
  </gpu>
</nvidia_smi_log>
"""
SLOW = (
    ALONE.replace("sw_power_cap>Not Active", "sw_power_cap>Active")
    .replace("1000000 us", "3500000 us")
    .replace("<pid>1802</pid><type>G</type>", "<pid>1802</pid><type>C+G</type>")
)
OLD = (
    SLOW.replace("clocks_event_reason", "clocks_throttle_reason")
    .replace("gpu_power_readings", "power_readings")
    .replace("instant_power_draw", "power_draw")
    .replace("575.51.02", "470.82.01")
)


def test_the_state_is_that_of_the_gpu_that_is_asked_for() -> None:
    state = gpu_state.parse(ALONE, UUID)
    assert state == gpu_state.State("575.51.02", 1965, 1980, 41, 120.26, (), {"sw_power_cap": 1000000}, (4711,))


def test_older_drivers_say_throttle_and_count_nothing() -> None:
    state = gpu_state.parse(OLD, UUID)
    assert (state.slowed, state.slowed_for, state.power) == (("sw_power_cap",), {}, 120.26)


def test_output_that_is_none_and_a_gpu_that_is_not_there_are_said() -> None:
    with pytest.raises(HarnessError, match="nvidia-smi printed no XML"):
        gpu_state.parse("NVIDIA-SMI has failed", UUID)
    with pytest.raises(HarnessError, match="nvidia-smi tells nothing of GPU-0$"):
        gpu_state.parse(ALONE, "GPU-0")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ALONE, ALONE, []),
        (ALONE, ALONE.replace("1000000 us", "1019999 us"), []),  # 0.02 of 2 s is the most
        (ALONE, ALONE.replace("1000000 us", "1020001 us"), ["slowed down: sw_power_cap for 0.02 of 2.00 s"]),
        (SLOW.replace("<pid>1802</pid><type>C+G", "<pid>1802</pid><type>G"), ALONE, ["slowed down: sw_power_cap"]),
        (ALONE, ALONE.replace(">G<", ">M+C<"), ["not alone on the GPU: process 1802"]),
        (
            ALONE,
            SLOW,
            [
                "slowed down: sw_power_cap",
                "slowed down: sw_power_cap for 2.50 of 2.00 s",
                "not alone on the GPU: process 1802",
            ],
        ),
    ],
)
def test_what_makes_a_measurement_invalid(before: str, after: str, expected: list[str]) -> None:
    first, second = (gpu_state.parse(text, UUID) for text in (before, after))
    assert gpu_state.doubts(first, second, seconds=2, own_pid=4711) == expected


def program(tmp_path: Path, text: str, status: int = 0) -> list[str]:
    """A stand-in for nvidia-smi that takes a moment and then prints a text, longer than a pipe holds."""
    file = tmp_path / "smi.py"
    padding = "<!--" + 100_000 * " " + "-->"
    file.write_text(f"import sys, time\ntime.sleep(0.2)\nprint({text!r} + {padding!r})\nsys.exit({status})\n")
    return [sys.executable, str(file)]


def test_the_state_is_read_while_the_work_goes_on(tmp_path: Path) -> None:
    done: list[int] = []
    state = gpu_state.watched(lambda: done.append(1), UUID, program(tmp_path, ALONE))
    assert state.sm_clock == 1965
    assert len(done) > 100


def test_an_nvidia_smi_that_is_not_there_fails_or_hangs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HarnessError, match=r"^no-such-smi cannot be run: No such file or directory$"):
        gpu_state.watched(int, UUID, ["no-such-smi"])
    with pytest.raises(HarnessError, match=r"failed with status 9: NVIDIA-SMI has failed"):
        gpu_state.watched(int, UUID, program(tmp_path, "NVIDIA-SMI has failed\nmore", 9))
    monkeypatch.setattr(gpu_state, "LIMIT", 0.01)
    with pytest.raises(HarnessError, match=r"failed with status -9"):
        gpu_state.watched(int, UUID, program(tmp_path, ALONE))


class Network(torch.nn.Sequential):
    """A convolution and a global average: 100 parameters."""

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(1, 10, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.LogSoftmax(1)
        )


class Tiny(StepSpec):
    """Step 1: tiny."""

    model = Network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)


SPEC = '''
from harness import Recipe, StepSpec


def network():
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1))


class TestTiny(StepSpec):
    """Step 1: tiny."""

    model = network
    parameters = 100
    receptive_field = 28
    recipe = Recipe(lr=0.05, batch_size=32, epochs=4)
'''


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of 2 steps, 3 of them after 1 to warm up."""
    monkeypatch.setattr(throughput, "STEPS", {"cpu": 2, "cuda": 2})
    monkeypatch.setattr(throughput, "ROUNDS", 3)
    monkeypatch.setattr(throughput, "WARMUP", 1)


class Cuda:
    """A stand-in for the clock of a GPU, on which everything takes a quarter of a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        real = train.Run.train_step
        tell = self.calls.append

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self, stream: str) -> None:
                tell(f"event on {stream}")

            def elapsed_time(self, end: "Event") -> float:
                return 250.0

        def train_step(run: train.Run, *batch: torch.Tensor) -> Any:
            tell("step")
            return real(run, *batch)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"{device}'s stream")
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: tell("wait"))
        monkeypatch.setattr(train.Run, "train_step", train_step)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def on_gpu() -> Rounds:
    """Rounds that take their device for a GPU, and train on the CPU."""
    rounds = Rounds(Tiny, torch.device("cpu"))
    rounds.device = torch.device("cuda", 0)
    return rounds


def test_a_round_waits_for_the_device_at_its_ends_only(cuda: Cuda) -> None:
    rounds = on_gpu()
    rounds.wait()
    rounds()
    event = "event on cuda:0's stream"
    assert cuda.calls == ["wait", event, "step", "step", event, "wait"]
    assert rounds.device_seconds == [0.25]


def test_a_round_on_the_cpu_needs_no_gpu(cuda: Cuda) -> None:
    rounds = Rounds(Tiny, torch.device("cpu"))
    rounds.wait()
    rounds()
    assert (cuda.calls, rounds.device_seconds) == (["step", "step"], [])


def test_a_round_is_the_same_for_networks_that_are_trained_together() -> None:
    """On a GPU even one network is: its loss over the same images is that of the network alone."""
    torch.manual_seed(0)
    alone, among = Rounds(Tiny, torch.device("cpu")), Rounds(Tiny, torch.device("cpu"))
    assert isinstance(alone.run, train.Run)
    among.run = Together([deepcopy(alone.run.model)], Tiny.recipe, alone.run.data, [0])
    for _ in range(6):  # more than the recipe has epochs
        alone()
        among()
    assert among.loss == pytest.approx(alone.loss, abs=1e-5)
    assert 1 < among.loss < 4  # a guess comes to log 10 = 2.3


@pytest.mark.parametrize(
    ("after", "expected"),
    [(ALONE, []), (SLOW, ["slowed down: sw_power_cap", "not alone on the GPU: process 1802"])],
)
def test_the_gpu_is_watched_under_load(
    monkeypatch: pytest.MonkeyPatch, cuda: Cuda, after: str, expected: list[str]
) -> None:
    texts = [ALONE, after.replace("3500000 us", "1000000 us")]

    def watched(work: Rounds, uuid: str) -> gpu_state.State:
        work()
        return gpu_state.parse(texts.pop(0), uuid)

    monkeypatch.setattr(gpu_state, "watched", watched)
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID[4:]))
    watch = Watch(on_gpu())
    watch.end()
    assert watch.doubts == expected
    assert [watch.seen[name]["temperature"] for name in ("gpu_before", "gpu_after")] == [41, 41]
    assert cuda.calls.count("step") == 4


def test_a_gpu_of_which_nothing_is_known_is_a_doubt(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> None:
    monkeypatch.setattr(gpu_state, "COMMAND", ("no-such-smi",))
    monkeypatch.setattr(gpu_state.watched, "__defaults__", (("no-such-smi",),))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID[4:]))
    watch = Watch(on_gpu())
    watch.end()
    said = "the state of the GPU is not known: no-such-smi cannot be run: No such file or directory"
    assert (watch.doubts, watch.seen) == ([said], {})
    assert gpu_state.driver() is None


def test_nothing_can_be_learnt_from_the_images() -> None:
    """The bright square of a synthetic image tells its digit; here it is right as often as a guess, 1 in 10."""
    data = unteachable(2000)
    corners = torch.stack(
        [data.train_images[:, 3 + 8 * (digit // 4), 2 + 7 * (digit % 4)] == 255 for digit in range(10)], 1
    )
    assert bool(corners.sum(1).eq(1).all())
    agreement = (corners.int().argmax(1) == data.train_labels).float().mean().item()
    assert abs(agreement - 0.1) < 0.03  # 4 standard errors of 2,000 guesses
    assert data.train_labels.bincount().tolist() == 10 * [200]


class Bench:
    """pytest with the plugin and pytest-benchmark, warnings being errors, on a ladder of one step."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.path = pytester.path
        self.pytester = pytester
        (self.path / "mine").mkdir()
        self.write(SPEC)
        pytester.makeini("[pytest]\nstrict = true\nfilterwarnings = error\naddopts = -ra -p harness.plugin\n")

    def write(self, spec: str) -> None:
        """Make this the text of the spec."""
        (self.path / "mine" / "test_01_tiny.py").write_text(spec)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run the throughput spec here, in this process."""
        where = [] if any(argument.startswith("--device") for argument in arguments) else ["--device=cpu"]
        plugins = ("-p", "pytest_benchmark.plugin")
        # The logging plugin would leave a file open in a session that is refused at once.
        return self.pytester.runpytest_inprocess(
            "-p", "no:logging", "mine", *plugins, "-k", "throughput", *where, *arguments
        )

    def saved(self) -> dict[str, Path]:
        """The newest of the saved runs, by the name of the folder of their hardware."""
        return {file.parts[-3]: file for file in sorted((self.path / ".benchmarks").glob("*/*/*.json"))}

    def change(self, hardware: str, change: Any) -> None:
        """Change the saved run of some hardware."""
        file = self.saved()[hardware]
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """On a machine without CUDA that has, by its name, an H200."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # of the run that this test is part of
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(baseline, "hardware", lambda device: "NVIDIA H200")
    monkeypatch.setattr("pytest_benchmark.plugin.get_cpu_info", dict)  # takes a second
    return Bench(pytester)


def section(result: pytest.RunResult) -> list[str]:
    """The lines under the headline of throughput."""
    begin = next(n for n, line in enumerate(result.outlines) if re.fullmatch("=+ throughput =+", line))
    rest = result.outlines[begin + 1 :]
    return rest[: next(n for n, line in enumerate(rest) if not line or line.startswith("="))]


def test_it_is_marked_and_not_among_the_fast_tests(bench: Bench) -> None:
    for marker in ("slow", "gpu"):
        chosen = bench.run("--collect-only", "-q", "-m", marker)
        assert [line for line in chosen.outlines if "::" in line] == ["mine/test_01_tiny.py::TestTiny::test_throughput"]
        assert "passed" not in bench.run("-m", f"not {marker}").parseoutcomes()


def test_without_a_gpu_it_is_skipped_with_a_reason(bench: Bench) -> None:
    result = bench.run("--device=auto")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * no CUDA device; run on the CPU with --device cpu"])


def test_so_many_steps_are_trained_and_no_more(bench: Bench, cuda: Cuda) -> None:
    """4 rounds of 2; a benchmark that calibrates trains as often as it likes."""
    bench.run().assert_outcomes(passed=1)
    assert cuda.calls == 8 * ["step"]


def test_the_rate_is_that_of_the_median_round_and_is_told_with_what_it_depends_on(bench: Bench) -> None:
    result = bench.run("--benchmark-json=not/yet/there.json")
    result.assert_outcomes(passed=1)
    written = json.loads((bench.path / "not" / "yet" / "there.json").read_text())
    [one] = written["benchmarks"]
    first, median, last = sorted(one["stats"]["data"])
    assert 0 < first <= median <= last
    told = one["extra_info"]
    assert told["images_per_second"] == pytest.approx(2 * 32 / median)
    assert told["seconds_per_step"] == pytest.approx(median / 2)
    assert (told["batch_size"], told["steps_per_round"], told["parameters"]) == (32, 2, 100)
    assert (told["invalid"], told["device_seconds"], told["peak_memory"]) == ([], [], None)
    assert told["threads"] == torch.get_num_threads()
    assert (one["group"], one["name"]) == ("mine", "mine/tiny")
    machine = written["machine_info"]
    assert (machine["hardware"], machine["torch"], machine["driver"]) == ("NVIDIA H200", torch.__version__, None)
    header, row = section(result)
    assert header.split() == ["step", "images/s", "ms/step", "peak", "MiB", "device"]
    assert row.split()[:2] == ["mine/tiny", f"{64 / median:,.0f}"]
    assert row.split()[3:] == ["-", "cpu"]


def test_disabled_benchmarks_train_one_round_and_say_that_nothing_was_timed(bench: Bench, cuda: Cuda) -> None:
    result = bench.run("--benchmark-disable")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * --benchmark-disable: trained, and not timed"])
    assert cuda.calls == 2 * ["step"]


def test_under_xdist_it_fails_and_does_not_pass_in_silence(bench: Bench) -> None:
    pytest.importorskip("xdist")
    result = bench.run("-p", "xdist", "-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nothing can be timed beside other workers; use -n 0, or -k 'not throughput'"])


def test_a_device_that_is_not_there_is_one_failure(bench: Bench) -> None:
    result = bench.run("--device=cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["cuda was asked for, but torch * sees no CUDA device; use --device cpu"])


def test_a_network_that_diverges_is_not_timed(bench: Bench) -> None:
    bench.write(SPEC.replace("0.05", "1e38"))
    result = bench.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["mine/tiny: the loss became *; a network that diverged is not timed"])


def test_without_a_baseline_nothing_is_compared_and_that_is_said(bench: Bench) -> None:
    result = bench.run("--benchmark-compare", "--benchmark-compare-fail=median:5%")
    result.assert_outcomes(passed=1)
    *_, note = section(result)
    assert note == (
        "no baseline in file://./.benchmarks/NVIDIA-H200: compared with nothing; --benchmark-autosave makes one"
    )


@pytest.mark.parametrize("option", ["--benchmark-save=first", "--benchmark-autosave", "--benchmark-json=times.json"])
def test_where_nothing_was_timed_nothing_is_saved_and_that_is_said(bench: Bench, option: str) -> None:
    result = bench.run("--device=auto", "--require-gpu", option)
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert section(result) == ["nothing was timed, so nothing is saved"]
    assert bench.saved() == {}


def test_each_gpu_has_baselines_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run("--benchmark-save=first").assert_outcomes(passed=1)
    monkeypatch.setattr(baseline, "hardware", lambda device: "Tesla T4 (16 GB)")
    result = bench.run("--benchmark-compare", "--benchmark-save=other")
    assert section(result)[-1].startswith("no baseline in file://./.benchmarks/Tesla-T4-16-GB: ")
    assert bench.saved().keys() == {"NVIDIA-H200", "Tesla-T4-16-GB"}
    again = bench.run("--benchmark-compare")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines_random(["mine/tiny (0001_other) *", "mine/tiny (NOW) *"])
    refused = bench.run(f"--benchmark-compare={bench.saved()['NVIDIA-H200']}")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in refused.errlines if line] == [
        "ERROR: --benchmark-compare: the baseline was measured on NVIDIA H200 and this is Tesla T4 (16 GB); "
        "times of different hardware are not compared"
    ]


def faster(content: dict[str, Any]) -> None:
    """Make a baseline a hundred times as fast as it was."""
    stats = content["benchmarks"][0]["stats"]
    content["benchmarks"][0]["stats"] = {
        key: value / 100 if isinstance(value, float) else value for key, value in stats.items()
    }


def test_slower_than_the_baseline_fails_unless_either_of_them_is_invalid(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = ("--benchmark-compare", "--benchmark-compare-fail=median:50%")
    bench.run("--benchmark-save=first")
    bench.change("NVIDIA-H200", faster)
    worse = bench.run(*compare)
    assert worse.ret not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR)
    worse.stderr.fnmatch_lines(["Performance has regressed:"])

    doubt = "slowed down: sw_power_cap"
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "end", lambda watch: watch.doubts.append(doubt))
        invalid = bench.run(*compare, "--benchmark-json=invalid.json")
    invalid.assert_outcomes(passed=1)
    assert invalid.ret == 0
    assert section(invalid)[1].endswith(f"cpu; INVALID: {doubt}")
    [one] = json.loads((bench.path / "invalid.json").read_text())["benchmarks"]
    assert one["extra_info"]["invalid"] == [doubt]

    bench.change("NVIDIA-H200", lambda content: content["benchmarks"][0]["extra_info"].update(invalid=[doubt]))
    assert bench.run(*compare).ret == 0


def test_a_baseline_of_another_driver_is_compared_with_and_told(bench: Bench) -> None:
    bench.run("--benchmark-save=first")
    bench.change("NVIDIA-H200", lambda content: content["machine_info"].update(driver="470.82.01"))
    result = bench.run("--benchmark-compare")
    result.assert_outcomes(passed=1)
    assert section(result)[-1] == "the baseline differs in more than the code: driver was 470.82.01 and is None"


@pytest.mark.parametrize(("option", "folder"), [("--profile", "runs/profile"), ("--profile=traces", "traces")])
def test_a_profile_is_written_after_the_measurement(bench: Bench, cuda: Cuda, option: str, folder: str) -> None:
    result = bench.run(option)
    result.assert_outcomes(passed=1)
    names = [path.name.partition(".")[2].partition(".")[2] for path in (bench.path / folder / "mine/tiny").iterdir()]
    assert sorted(names) == ["operators.txt", "perfetto.json.gz", "pt.trace.json.gz"]
    result.stdout.fnmatch_lines([f"mine/tiny, 3 training steps; all operators are in {folder}/mine/tiny/cpu.*.txt"])
    result.stdout.re_match_lines([r" +aten::\w*convolution\w* .*"])
    assert len(cuda.calls) == 8 + 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--profile mine", "--profile mine: those are tests; write --profile=DIR, or --profile after them"),
        (
            "--profile mine/test_01_tiny.py::TestTiny",
            "--profile mine/test_01_tiny.py::TestTiny: those are tests; write --profile=DIR, or --profile after them",
        ),
        (
            "--benchmark-compare-fail=median:5%",
            "--benchmark-compare-fail needs --benchmark-compare, which says with what",
        ),
        (
            "--benchmark-save=x --device=cuda",
            f"cuda was asked for, but torch {torch.__version__} sees no CUDA device; use --device cpu",
        ),
    ],
)
def test_bad_usage_is_one_line(bench: Bench, arguments: str, message: str) -> None:
    result = bench.run(*arguments.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]
