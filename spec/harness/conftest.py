"""Loads modules that cannot be loaded twice, and fixes random numbers and examples, so that all runs are the same.

A session that leaves a process behind fails.

pytester forgets the modules that its inner run imports, but torch starts only once per process, and so does matplotlib,
which draws the report of an inner run.
"""

import gc
import os
import random
import signal
from collections.abc import Iterator
from importlib import import_module

import numpy as np
import pytest
import torch
import torchvision  # noqa: F401
from hypothesis import HealthCheck, find, settings
from hypothesis.strategies import none
from platformdirs import user_cache_path

import harness.report.page  # noqa: F401
from harness.__main__ import VERBS
from spec.harness.support.left_behind import none_left_behind

SLOW = (
    "end_to_end: what a user types or opens, and what starts processes; slow (tox -e end_to_end)",
    "thorough: what takes half a second or more to show one thing, as many draws do; slow (tox -e thorough)",
)
"""The markers of tests that CI runs after the fast ones."""

# What takes its time on a machine that is busy is no fault.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure(config: pytest.Config) -> None:
    """Fix the examples, unless another profile is chosen; let pytest-randomly choose the order only; keep the cache."""
    if not config.getoption("hypothesis_profile", None):
        settings.load_profile("fixed")
    config.option.randomly_reset_seed = False
    for marker in SLOW:
        config.addinivalue_line("markers", marker)
    # pytester moves HOME: a test that trains in a session of its own would compile the kernels anew, for ten seconds.
    os.environ.setdefault("XDG_CACHE_HOME", str(user_cache_path()))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what goes from end to end and what is thorough as slow, before -m selects by these marks."""
    for item in items:
        if any(item.get_closest_marker(marker.partition(":")[0]) for marker in SLOW):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what is loaded by now: half a million objects, which stay to the end.

    Hypothesis makes its generator at first use, and older versions warn unless the collector finds who holds it.
    """
    find(none(), lambda _: True)
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let it end as any process does: extensions complain of what is never collected."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def no_process_is_left_behind() -> Iterator[None]:
    """Fail a session that leaves a process behind."""
    with none_left_behind():
        yield


THREADS = torch.get_num_threads()
ONLY_CPU = not torch.cuda.is_available()

for verb in VERBS:  # one that is loaded while a test has replaced a function would keep the replacement
    import_module(f"harness.commands.{verb}")


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Let each test draw the same numbers, with the same threads, alone or after any other."""
    torch.set_num_threads(THREADS)
    random.seed(0)
    np.random.seed(0)
    if ONLY_CPU:  # torch.manual_seed would note the whole stack, for each kind of GPU that may come
        torch.default_generator.manual_seed(0)
    else:
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the tests after one in which a command was interrupted, which ignores it from then on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
