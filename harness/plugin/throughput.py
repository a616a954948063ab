"""The part of the plugin that times training: the fixture, profiles, baselines kept apart by GPU, and a table.

pytest-benchmark measures, stores and compares; here it is kept from what would spoil that. Nothing imports torch before
a test runs or a baseline is asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import device
from harness.errors import HarnessError
from harness.plugin.user_properties import attach, attached
from harness.step import Step

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from pytest_benchmark.fixture import BenchmarkFixture

EVIDENCE = "throughput"  # the key of the measurement that a test attaches
LINE = "{:<28}{:>12}{:>12}{:>12}  {}"
NOTES = pytest.StashKey[list[str]]()  # what is to be said of baselines at the end


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for profiles; those for the measurement are pytest-benchmark's."""
    parser.getgroup("ladder").addoption(
        "--profile",
        metavar="DIR",
        nargs="?",
        const=Path("runs/profile"),
        type=trace_folder,
        help="profile a few training steps after each throughput spec; traces go to DIR (default: runs/profile)",
    )


def trace_folder(text: str) -> Path:
    """A converter for --profile, which would otherwise take the tests that follow it for its folder."""
    folder = Path(text)
    if "::" in text or folder.is_file() or any(folder.glob("test_*.py")) or any(folder.glob("*/test_*.py")):
        raise pytest.UsageError(f"--profile {text}: those are tests; write --profile=DIR, or --profile after them")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Before pytest-benchmark reads its options: a storage for this hardware, and no comparison with nothing."""
    config.stash[NOTES] = []
    if hasattr(config, "workerinput"):
        return
    if (written := config.getoption("benchmark_json", None)) is not None:
        written.parent.mkdir(parents=True, exist_ok=True)  # else it is missed when all has been measured
    compare = config.getoption("benchmark_compare", None)
    if config.getoption("benchmark_compare_fail", None) and not compare:
        raise pytest.UsageError("--benchmark-compare-fail needs --benchmark-compare, which says with what")
    if compare or any(config.getoption(f"benchmark_{saved}", None) for saved in ("save", "autosave")):
        try:
            keep_apart(config, compare)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error


def keep_apart(config: pytest.Config, compare: str | bool | None) -> None:
    """Give this hardware a storage of its own, and leave out a comparison for which it has no baseline yet."""
    from harness.benchmark import baseline

    place = baseline.storage(config.option.benchmark_storage, device.device_of(config.getoption("--device")))
    config.option.benchmark_storage = place
    if compare and not baseline.exists(place, compare):
        config.stash[NOTES].append(f"no baseline in {place}: compared with nothing; --benchmark-autosave makes one")
        config.option.benchmark_compare, config.option.benchmark_compare_fail = [], None


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add the GPU and the versions, of which pytest-benchmark knows nothing."""
    from harness.benchmark import baseline

    machine_info.update(baseline.machine(device.device_of(config.getoption("--device"))))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    config: pytest.Config, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """Refuse a baseline of other hardware, and note what else differs."""
    from harness.benchmark import baseline

    try:
        differing = baseline.comparable(compared_benchmark, machine_info)
    except HarnessError as error:
        raise pytest.UsageError(f"--benchmark-compare: {error}") from error
    if differing:
        config.stash[NOTES].append(f"the baseline differs in more than the code: {'; '.join(differing)}")


@pytest.fixture
def measure_throughput(
    request: pytest.FixtureRequest, benchmark: "BenchmarkFixture"
) -> "Iterator[Callable[[type[Step]], None]]":
    """A function that times the training of a step, and profiles it afterwards where --profile asks for that.

    Under xdist the test fails: pytest-benchmark would measure nothing there, and let it pass.
    """
    config = request.config

    def run(step: type[Step]) -> None:
        if benchmark.disabled and not config.getoption("benchmark_disable"):
            pytest.fail("nothing can be timed beside other workers; use -n 0, or -k 'not throughput'", pytrace=False)
        from harness.benchmark.throughput import measure

        where = device.device_of(config.getoption("--device"))
        measured = measure(step, where, benchmark)
        if config.getoption("--profile"):
            from harness.benchmark.profiler import ACTIVE, trace

            made = trace(step, where, config.getoption("--profile"))
            head = f"\n{step.id}, {ACTIVE} training steps; all operators are in {made.operators}"
            config.stash[NOTES].append(f"{head}\n{made.table}")
        if measured is None:
            pytest.skip("--benchmark-disable: trained, and not timed")
        attach(request.node, EVIDENCE, asdict(measured))
        if measured.invalid:
            leave_uncompared(config, benchmark.fullname)

    yield run
    # What failed before it came to be timed has been told of, and pytest-benchmark need not warn that it was not.
    benchmark.skipped = True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Say that nothing was timed and is saved; pytest-benchmark would warn, and a warning is an error in places."""
    timed: Any = session.config.pluginmanager.get_plugin("pytest-benchmark")
    if timed is not None and not timed.benchmarks and (timed.save or timed.autosave or timed.json):
        session.config.stash[NOTES].append("nothing was timed, so nothing is saved")
        timed.save = timed.autosave = timed.json = None
    return (yield)


def leave_uncompared(config: pytest.Config, test: str) -> None:
    """Keep a test that was measured in vain from being held against its baseline, which could fail it."""
    session: Any = config.pluginmanager.get_plugin("pytest-benchmark")
    for baseline in session.compared_mapping.values():
        baseline.pop(test, None)


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """A line a step that was timed, in the order of the files; why it is invalid, if it is; and notes on baselines."""
    rows = attached(terminalreporter, EVIDENCE)
    notes = terminalreporter.config.stash[NOTES]
    if rows or notes:
        terminalreporter.section("throughput")
    if rows:
        terminalreporter.write_line(LINE.format("step", "images/s", "ms/step", "peak MiB", "device"))
    for row in rows:
        peak = "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 2**20:.0f}"
        rate, milliseconds = f"{row['images_per_second']:,.0f}", f"{1000 * row['seconds_per_step']:.3f}"
        told = "; ".join([row["device"], *(f"INVALID: {doubt}" for doubt in row["invalid"])])
        terminalreporter.write_line(LINE.format(row["step"], rate, milliseconds, peak, told))
    for note in notes:
        terminalreporter.write_line(note)
