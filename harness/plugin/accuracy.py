"""The part of the plugin that trains: markers, the fixture, progress, and the table of the ladder.

Nothing but --require-gpu imports torch before a test runs, so that `pytest --help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import device
from harness.errors import HarnessError, nearest
from harness.plugin.user_properties import EVIDENCE, RAN, attach, attached
from harness.run import Run, epoch_line, sound
from harness.step import Step
from harness.step_spec import RefutedError, StepSpec

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


LINE = "{:<28}{:>12}{:>5}{:>12}{:>8}{:>12}{:>9}"  # of the table at the end
USAGE = "usage"  # the key of what a worker of xdist says of the words that were typed
MARKERS = {"test_accuracy": ("slow", "gpu"), "test_throughput": ("slow", "gpu")}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and refuse options that exclude each other and a Python without assertions."""
    if sys.flags.optimize:
        raise pytest.UsageError("specs are checked by assertions, which python -O leaves out; run pytest without -O")
    seeds = config.getoption("--seed") or ()
    if len(set(seeds)) < len(seeds):
        raise pytest.UsageError("--seed: a seed is given twice; each seed counts once")
    if config.getoption("--require-gpu") and config.getoption("--device") == "cpu":
        raise pytest.UsageError("--require-gpu and --device cpu contradict each other; leave one of them out")
    if config.getoption("--update-records") and config.getoption("--epochs"):
        raise pytest.UsageError("--update-records keeps complete runs only; leave out --epochs")
    if workers := getattr(config, "workerinput", {}).get("workercount"):
        # Before torch is loaded: several workers of xdist that use all cores each are slower than one worker.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, device.cores() // workers)))
    config.addinivalue_line("markers", "slow: takes long, as training does")
    config.addinivalue_line("markers", "gpu: meant for a CUDA device (pytest -m gpu); --device cpu runs it on the CPU")
    config.addinivalue_line("markers", "ray: starts a Ray cluster on this machine (pytest -m ray)")
    config.addinivalue_line("markers", "tensorboard: starts a TensorBoard on this machine (pytest -m tensorboard)")
    if config.getoption("--require-gpu"):
        from harness import machine

        if lacking := machine.lacks_gpu():
            raise pytest.UsageError(f"--require-gpu: {lacking}")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Hand what a worker of xdist finds wrong with the words to its controller, which would take it for a crash."""
    try:
        return (yield)
    except pytest.UsageError as error:
        getattr(session.config, "workeroutput", {})[USAGE] = error.args
        raise


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """End the session with what a worker found wrong with the words; one that died has no output."""
    if usage := getattr(node, "workeroutput", {}).get(USAGE):
        raise pytest.UsageError(*usage)


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Refuse a spec that is not whole in one line, where each of its tests would fail on its own."""
    if isinstance(obj, type) and issubclass(obj, StepSpec) and collector.istestclass(obj, name):
        try:
            obj.check()
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select specs, once each and as --step says, and mark the tests that they inherit, before -m selects by marks."""
    # A spec that another file imports, to inherit from it, is collected there as well: it would train twice.
    _keep(config, items, lambda item: not _is_spec(item) or item.cls.__module__ == item.module.__name__)
    if wanted := set(config.getoption("--step")):
        _select(config, items, wanted)
    for item in items:
        if _is_spec(item):
            for marker in MARKERS.get(_function_name(item), ()):
                item.add_marker(marker)


def _select(config: pytest.Config, items: list[pytest.Item], wanted: set[str]) -> None:
    """Deselect whatever does not belong to the spec of a wanted step; UsageError if one has no spec here."""
    of_item = {item: item.cls.id for item in items if _is_spec(item)}  # type: ignore[attr-defined]
    if unknown := sorted(wanted - set(of_item.values())):
        raise pytest.UsageError(
            f"--step {unknown[0]}: no such spec; {nearest(unknown[0], sorted(set(of_item.values())))}"
        )
    _keep(config, items, lambda item: of_item.get(item) in wanted)


def _keep(config: pytest.Config, items: list[pytest.Item], kept: Callable[[Any], bool]) -> None:
    """Deselect the items that are not kept."""
    if gone := [item for item in items if not kept(item)]:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if kept(item)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a measurement that would be repeated until it passes; skip a gpu test where there is no GPU."""
    if _is_spec(item) and "slow" in item.keywords and _reruns(item):
        pytest.fail("--reruns repeats a measurement until it passes, which proves nothing; leave it out", pytrace=False)
    if item.get_closest_marker("gpu") is None or item.config.getoption("--device") != "auto":
        return
    if not device.gpus():
        pytest.skip("no CUDA device; run on the CPU with --device cpu")


def _reruns(item: pytest.Item) -> int:
    """How often pytest-rerunfailures would repeat a test, by option, setting or marker; 0 where it is not installed."""
    plugins = item.config.pluginmanager
    rerunfailures: Any = plugins.get_plugin("rerunfailures") or plugins.get_plugin("pytest_rerunfailures")
    return (rerunfailures.get_reruns_count(item) or 0) if rerunfailures else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show an error of the harness, or what a spec found wrong, as one line without a traceback."""
    try:
        return (yield)
    except (HarnessError, AssertionError) as error:
        if not isinstance(error, HarnessError) and _raising_module(error) != StepSpec.__module__:
            raise
        expected, message = isinstance(error, RefutedError), str(error)
    # Not in the except clause: pytest would show the error twice, chained.
    if expected:
        pytest.xfail(message)
    pytest.fail(message, pytrace=False)


def _raising_module(error: BaseException) -> str:
    """The name of the module that raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__"))


@pytest.fixture
def train_seeds(request: pytest.FixtureRequest) -> Callable[[type[Step]], list[Run]]:
    """A function that trains a step as the options say and returns the complete runs; their evidence is attached.

    Runs that --epochs shortened decide nothing: the test is then skipped, with that reason.
    """
    config = request.config
    epochs: int | None = config.getoption("--epochs")

    def train(step: type[Step]) -> list[Run]:
        from harness.data import load
        from harness.evidence import record
        from harness.jobs import Request, Resumable, engine_of, run_jobs
        from harness.training.choice import choose

        seeds: Iterable[int] = config.getoption("--seed") or range(config.getoption("--seeds"))
        engine = engine_of("local", config.getoption("--device"))
        choice = choose(config.getoption("--trainer"), step, engine.device)
        if update := config.getoption("--update-records"):
            seeds = record.unrecorded(step, engine.provenance(step, choice.name), seeds)
            if not seeds:
                asked = "ask for others with --seeds or --seed, or delete it to start anew"
                pytest.skip(f"the record of {step.id} has these seeds; {asked}")
        write = partial(_write, config)
        write(choice.line(step))
        length = min(epochs or step.recipe.epochs, step.recipe.epochs)
        trained = run_jobs(
            Resumable(Request(step, list(seeds), length, choice.name, Path(config.getoption("--out")))),
            engine,
            load(config.getoption("--data")),
            lambda step, seed, epoch: write(epoch_line(step, seed, epoch, length)),
        )
        runs = sound(list(record.added(trained) if update else trained))
        attach(request.node, EVIDENCE, _evidence(runs))
        if not all(run.complete for run in runs):
            pytest.skip(f"shortened to {len(runs[0].epochs)} of {step.recipe.epochs} epochs: no verdict")
        return runs

    return train


def _evidence(runs: list[Run]) -> dict[str, Any]:
    """What the table at the end and a JUnit file show of a step's runs, as JSON."""
    from harness.evidence.summary import Summary

    step, summary = runs[0].step, Summary.of(runs)
    return {
        "step": step.id,
        "parameters": step.parameters,
        "receptive_field": step.receptive_field,
        "final": [list(run.final) for run in runs],
        "mean": summary.accuracy.estimate,
        "worst": summary.worst,
        "held": summary.held,
        "complete": summary.complete,
        "verdict": summary.verdict,
        "seconds": summary.seconds,
    }


def _write(config: pytest.Config, line: str, **look: bool) -> None:
    """Print a line, past pytest's capture: on the terminal, or on standard error where there is none."""
    reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if reporter is None or hasattr(config, "workerinput"):
            # A worker of xdist has no terminal, but it shares the standard error of its controller.
            with suppress(OSError):  # it may be closed or full
                os.write(2, f"{line}\n".encode())
        else:
            reporter.ensure_newline()
            reporter.write_line(line, **look)
            reporter.flush()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Update texts if asked to, and fail a session in which no test ran: all skipped must not look green."""
    config = session.config
    if hasattr(config, "workerinput"):  # workers of xdist leave it to their controller
        return
    if config.option.collectonly or config.option.setuponly or config.option.setupplan:
        return  # no test was to run
    if config.getoption("--update-records") and exitstatus != pytest.ExitCode.USAGE_ERROR:
        _update_texts(session)  # of what was recorded until Ctrl-C, too
    if exitstatus == pytest.ExitCode.OK and not config.stash[RAN].reports:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        _write(config, "\nno test ran: all that were selected were skipped", red=True)


def _update_texts(session: pytest.Session) -> None:
    """Bring specs and README up to the records; fail the session if that changed them, so that a person looks."""
    from harness.report import rewrite

    try:
        lines = [f"wrote {path}; look at the difference" for path in rewrite()]
    except HarnessError as error:
        lines = [str(error)]
    if lines:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        _write(session.config, "\n" + "\n".join(lines), red=True)


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Print the table of the ladder: one line per step that was trained, in the order of the files."""
    rows = attached(terminalreporter.config, EVIDENCE)
    if not rows:
        return
    terminalreporter.section("ladder")
    terminalreporter.write_line(LINE.format("step", "parameters", "RF", "final mean", "worst", "held", "s/epoch"))
    for row in rows:
        terminalreporter.write_line(
            LINE.format(
                row["step"],
                f"{row['parameters']:,}",
                row["receptive_field"],
                f"{row['mean']:.2f}",
                f"{row['worst']:.2f}",
                row["verdict"],
                f"{row['seconds']:.1f}",
            )
        )


def _is_spec(item: pytest.Item) -> bool:
    """Whether a test belongs to a StepSpec."""
    owner = getattr(item, "cls", None)
    return isinstance(owner, type) and issubclass(owner, StepSpec)


def _function_name(item: pytest.Item) -> str:
    """The name of a test without its parameters."""
    return getattr(item, "originalname", None) or item.name
