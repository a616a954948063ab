"""The pytest plugin: options, markers, progress, and a table of the ladder at the end. Hooks only.

Nothing here imports torch before a test runs, so that `pytest --help` answers at once.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.step import StepSpec

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from harness.train import Epoch, History

EVIDENCE = "accuracy"  # the key under which a test's runs travel in its user_properties
MARKERS = {"test_accuracy": ("slow", "gpu")}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the accuracy specs."""
    group = parser.getgroup("ladder", "ladders of small networks")
    group.addoption("--device", default="auto", help="auto (default: CUDA if there is one), cpu, cuda or cuda:N")
    group.addoption("--seeds", default=5, type=positive("--seeds"), help="seeds a step: 0 to SEEDS - 1 (default: 5)")
    group.addoption(
        "--epochs",
        default=None,
        type=positive("--epochs"),
        help="stop each run after so many epochs; a shortened run is never a verdict (default: the recipe's)",
    )
    group.addoption("--data", default=None, help="folder with the four MNIST files (default: MNIST_DIR, cache, fetch)")
    group.addoption("--records", default="runs", help="folder for the run files (default: runs)")
    group.addoption("--require-gpu", action="store_true", help="fail the gpu tests where there is no CUDA device")


def positive(option: str) -> Callable[[str], int]:
    """A converter for an option that must be a whole number of one or more."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise pytest.UsageError(f"{option} must be a whole number of 1 or more, not {text!r}")
        return int(text)

    return convert


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, so that `pytest --markers` is their manual in any project."""
    config.addinivalue_line("markers", "slow: trains for minutes (pytest -m slow --device cpu)")
    config.addinivalue_line("markers", "gpu: meant for a CUDA device (pytest -m gpu); --device cpu runs it on the CPU")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that a spec inherits."""
    for item in items:
        if is_spec(item):
            for marker in MARKERS.get(name_of(item), ()):
                item.add_marker(marker)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse --reruns with an accuracy spec: repeating a statistical test until it passes proves nothing."""
    statistical = [item for item in session.items if is_spec(item) and "slow" in item.keywords]
    if statistical and session.config.getoption("reruns", default=None):
        raise pytest.UsageError(
            f"--reruns repeats {len(statistical)} accuracy specs until they pass, which proves nothing; "
            "leave it out, or select other tests with -m 'not slow'"
        )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a gpu test where there is no GPU, with a reason, unless the CPU was asked for by name."""
    if item.get_closest_marker("gpu") is None or item.config.getoption("--device") != "auto":
        return
    import torch

    if not torch.cuda.is_available():
        reason = "no CUDA device; run on the CPU with --device cpu"
        if item.config.getoption("--require-gpu"):
            pytest.fail(f"--require-gpu: {reason}", pytrace=False)
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show an error meant for people, or what a spec found wrong, by its message and not by the way it came."""
    try:
        return (yield)
    except (HarnessError, AssertionError) as error:
        if isinstance(error, HarnessError) or (is_spec(item) and str(error)):
            pytest.fail(str(error), pytrace=False)
        raise


@pytest.fixture
def train_seeds(request: pytest.FixtureRequest) -> "Callable[[type[StepSpec]], list[History]]":
    """A function that trains a step as the options say and hands back whole histories, the evidence kept.

    A run shortened by --epochs is evidence of nothing: the test is skipped after it, with that reason.
    """
    config = request.config

    def run(step: type[StepSpec]) -> "list[History]":
        from harness.data import load
        from harness.device import device_of
        from harness.runs import recorded

        device = device_of(config.getoption("--device"))
        histories = recorded(
            step,
            range(config.getoption("--seeds")),
            device,
            folder=Path(config.getoption("--records")),
            epochs=config.getoption("--epochs"),
            data=load(config.getoption("--data")),
            on_epoch=progress(config),
        )
        request.node.user_properties.append((EVIDENCE, summary(histories)))
        if not all(history.complete for history in histories):
            pytest.skip(f"shortened to {len(histories[0].epochs)} of {step.recipe.epochs} epochs: no verdict")
        return histories

    return run


def summary(histories: "list[History]") -> dict[str, Any]:
    """What the table at the end shows of a step's runs, in types that survive xdist and junit."""
    step = histories[0].step
    seconds = [epoch.seconds for history in histories for epoch in history.epochs]
    return {
        "step": step.id,
        "parameters": step.parameters,
        "receptive_field": step.receptive_field,
        "final": [list(history.final) for history in histories],
        "held": sum(history.held for history in histories),
        "complete": all(history.complete for history in histories),
        "seconds": round(sum(seconds) / len(seconds), 2),
    }


def progress(config: pytest.Config) -> "Callable[[type[StepSpec], int, Epoch], None]":
    """A function that tells of each epoch: on the terminal, past pytest's capture, or on an xdist worker's stderr."""
    reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def tell(step: type[StepSpec], seed: int, epoch: "Epoch") -> None:
        line = (
            f"{step.id} seed {seed} epoch {epoch.epoch}/{step.recipe.epochs}: "
            f"train {epoch.train_accuracy:.2f} test {epoch.test_accuracy:.2f} ({epoch.seconds:.1f} s)"
        )
        if reporter is not None and capture is not None and "PYTEST_XDIST_WORKER" not in os.environ:
            with capture.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(line)
        else:
            # A worker's standard error is the terminal of the controller; file descriptor 2 is not captured there.
            os.write(2, f"{line}\n".encode())

    return tell


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a session in which not one test ran: a selection that is skipped whole must not look green."""
    reporter: TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != pytest.ExitCode.OK or session.config.option.collectonly:
        return
    reports = [report for reports in reporter.stats.values() for report in reports]
    if not any(isinstance(report, pytest.TestReport) and report.when == "call" for report in reports):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        reporter.write_line("\nno test ran: all that were selected were skipped", red=True)


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """The table of the ladder: a line a step that was trained."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for key, value in report.user_properties
        if key == EVIDENCE
    ]
    if not rows:
        return
    terminalreporter.section("ladder")
    header = ("step", "parameters", "RF", "final epochs", "worst", "held", "s/epoch")
    terminalreporter.write_line("{:<28}{:>12}{:>5}{:>14}{:>8}{:>9}{:>9}".format(*header))
    for row in sorted(rows, key=lambda row: str(row["step"])):
        final = [accuracy for run in row["final"] for accuracy in run]
        held = f"{row['held']} of {len(row['final'])}" if row["complete"] else "no verdict"
        terminalreporter.write_line(
            f"{row['step']:<28}{row['parameters']:>12,}{row['receptive_field']:>5}"
            f"{sum(final) / len(final):>14.2f}{min(final):>8.2f}{held:>11}{row['seconds']:>9.1f}"
        )


def is_spec(item: pytest.Item) -> bool:
    """Whether a test is one that a StepSpec inherits."""
    owner = getattr(item, "cls", None)
    return isinstance(owner, type) and issubclass(owner, StepSpec)


def name_of(item: pytest.Item) -> str:
    """The name of a test's function, without the parameters of a parametrization."""
    return getattr(item, "originalname", None) or item.name
