"""The part of the plugin that times training: the fixture, profiles, one storage of baselines per GPU, and a table.

pytest-benchmark measures, stores and compares; the hooks here prevent what would make its results wrong. Nothing
imports torch before a test runs or a baseline is asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import device, files
from harness.errors import HarnessError
from harness.plugin.user_properties import attach, attached
from harness.step import Step

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from pytest_benchmark.fixture import BenchmarkFixture

EVIDENCE = "throughput"  # the key of the measurement that a test attaches
LINE = "{:<28}{:>12}{:>12}{:>12}  {}"
NOTES = pytest.StashKey[list[str]]()  # lines to print at the end of the session


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option for profiles; pytest-benchmark has those for the measurement."""
    parser.getgroup("ladder").addoption(
        "--profile",
        action="store_true",
        help="profile a few training steps after each throughput spec; traces go to profile/ in the folder of --out",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before pytest-benchmark reads its options, choose the storage of this hardware and check what it compares."""
    config.stash[NOTES] = []
    if hasattr(config, "workerinput"):
        return
    compare = config.getoption("benchmark_compare", None)
    save = config.getoption("benchmark_save", None) or config.getoption("benchmark_autosave", None)
    if config.getoption("benchmark_compare_fail", None) and not compare:
        raise pytest.UsageError("--benchmark-compare-fail needs --benchmark-compare, which says with what")
    try:
        if (written := config.getoption("benchmark_json", None)) is not None:
            _check_writable(written, "name another file")
        if compare or save:
            _choose_storage(config, compare)
        if save and "://" not in (folder := config.option.benchmark_storage.removeprefix("file://")):
            _check_writable(Path(folder) / f"{save}.json", "name another folder with --benchmark-storage")
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def _check_writable(path: Path, advice: str) -> None:
    """Make the folder of a file, and find out whether it can be written: pytest-benchmark does so in the end only."""
    with files.writable(path, advice):
        if not path.parent.exists():  # a file in its place is no folder, as is said below
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or path.is_dir():  # no pipe, whose reader would take this for the end
            path.open("ab").close()
        if not path.exists():
            files.probe(path, advice)


def _choose_storage(config: pytest.Config, compare: str | bool | None) -> None:
    """Give this hardware its own storage, and skip a comparison for which there is no baseline yet."""
    from harness.benchmark import baseline

    storage = baseline.storage(config.option.benchmark_storage, device.device_of(config.getoption("--device")))
    config.option.benchmark_storage = storage
    if compare:
        config.option.benchmark_compare = baseline.chosen(storage, compare)
    if compare and not config.option.benchmark_compare:
        config.stash[NOTES].append(f"no baseline in {storage}: compared with nothing; --benchmark-autosave makes one")
        config.option.benchmark_compare, config.option.benchmark_compare_fail = [], None


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add the GPU and the versions, which pytest-benchmark does not record."""
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what would be timed where pytest-benchmark is not loaded; a fixture that lacks is an error of many lines."""
    if "measure_throughput" in getattr(item, "fixturenames", ()) and not hasattr(item.config.option, "benchmark_json"):
        pytest.skip("nothing is timed without pytest-benchmark; leave out -p no:benchmark, or install it")


@pytest.fixture
def measure_throughput(
    request: pytest.FixtureRequest, benchmark: "BenchmarkFixture"
) -> "Iterator[Callable[[type[Step]], None]]":
    """A function that times the training of a step, and then profiles it if --profile asks for that.

    Under xdist the test fails: pytest-benchmark would measure nothing there and let it pass.
    """
    config = request.config

    def run(step: type[Step]) -> None:
        if benchmark.disabled and not config.getoption("benchmark_disable"):
            pytest.fail("nothing can be timed beside other workers; use -n 0, or -k 'not throughput'", pytrace=False)
        from harness.benchmark.throughput import measure

        where = device.device_of(config.getoption("--device"))
        measured = measure(step, where, benchmark, config.getoption("--trainer"))
        if config.getoption("--profile"):
            from harness.benchmark.profiler import ACTIVE, trace

            profile = trace(step, where, Path(config.getoption("--out")) / "profile")
            head = f"\n{step.id}, {ACTIVE} training steps; all operators are in {profile.operators}"
            config.stash[NOTES].append(f"{head}\n{profile.table}")
        if measured is None:
            pytest.skip("--benchmark-disable: trained, and not timed")
        attach(request.node, EVIDENCE, asdict(measured))
        _drop_what_is_not_comparable(config, step, benchmark, measured.invalid)

    yield run
    # If the test failed before it was timed, pytest-benchmark need not warn about that as well.
    benchmark.skipped = True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print that nothing was timed; pytest-benchmark would warn instead, and some projects make warnings errors."""
    benchmarks: Any = session.config.pluginmanager.get_plugin("pytest-benchmark")
    if benchmarks and not benchmarks.benchmarks and (benchmarks.save or benchmarks.autosave or benchmarks.json):
        session.config.stash[NOTES].append("nothing was timed, so nothing is saved")
        benchmarks.save = benchmarks.autosave = benchmarks.json = None
    return (yield)


def _drop_what_is_not_comparable(
    config: pytest.Config, step: "type[Step]", benchmark: "BenchmarkFixture", invalid: list[str]
) -> None:
    """Remove the baseline of a test that is invalid or was measured otherwise, since comparing them could fail it."""
    from harness.benchmark.baseline import CONDITIONS

    session: Any = config.pluginmanager.get_plugin("pytest-benchmark")
    for baseline in session.compared_mapping.values():
        if (found := baseline.get(benchmark.fullname)) is None:
            config.stash[NOTES].append(f"{step.id} is compared with nothing: the baseline has no valid time of it")
            continue
        then, now = found["extra_info"], benchmark.extra_info
        keys = [key for key in CONDITIONS if key in then and then[key] != now.get(key)]
        if keys:
            other = ", ".join(f"{key} was {then[key]} and is {now.get(key)}" for key in keys)
            config.stash[NOTES].append(f"{step.id} is compared with nothing: of the baseline {other}")
        if keys or invalid:
            del baseline[benchmark.fullname]


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Print one line per step that was timed, in the order of the files, with what makes it invalid; then the notes."""
    rows = attached(terminalreporter.config, EVIDENCE)
    notes = terminalreporter.config.stash[NOTES]
    if rows or notes:
        terminalreporter.section("throughput")
    if rows:
        terminalreporter.write_line(LINE.format("step", "images/s", "ms/step", "peak MiB", "device"))
    for row in rows:
        peak = "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 2**20:.0f}"
        rate, milliseconds = f"{row['images_per_second']:,.0f}", f"{1000 * row['seconds_per_step']:.3f}"
        device_and_doubts = "; ".join(
            [f"{row['device']}, {row['trainer']}", *(f"INVALID: {doubt}" for doubt in row["invalid"]), *row["unknown"]]
        )
        terminalreporter.write_line(LINE.format(row["step"], rate, milliseconds, peak, device_and_doubts))
    for note in notes:
        terminalreporter.write_line(note)
