"""A process of ours ends, whether it wants to or not."""

import os
import signal
import time
from multiprocessing import active_children
from multiprocessing.context import SpawnProcess
from threading import Event, Thread

import pytest

from harness.child import Child
from spec.harness.support.processes import interrupts, stubborn


def test_a_process_that_heeds_no_request_to_end_is_killed() -> None:
    child = Child(stubborn)
    assert child.receive() == "ready"
    child.end(patience=0.01)
    assert child.process.exitcode == -signal.SIGKILL


def test_ctrl_c_while_a_process_starts_is_left_to_its_parent(capfd: pytest.CaptureFixture[str]) -> None:
    child = Child(stubborn)
    for _ in range(5):
        assert child.process.pid
        os.kill(child.process.pid, signal.SIGINT)
        time.sleep(0.02)
    assert child.receive() == "ready"
    child.end(patience=0.01)
    assert child.process.exitcode == -signal.SIGKILL
    assert capfd.readouterr().err == ""


def test_a_process_ignores_ctrl_c_and_blocks_it_for_no_program_that_it_starts() -> None:
    child = Child(interrupts)
    assert child.receive() == (True, False)
    child.end()


@pytest.mark.parametrize("threads", [0, 1])
def test_ctrl_c_in_the_moment_of_a_start_comes_after_it(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Also where the system hands it to another thread, which has not blocked the signal."""
    start, started, over = SpawnProcess.start, [], Event()

    def interrupted(process: SpawnProcess) -> None:
        if threads:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        else:
            signal.raise_signal(signal.SIGINT)  # to this thread
        start(process)
        started.append(process)

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    others = [Thread(target=over.wait) for _ in range(threads)]
    for other in others:
        other.start()
    with pytest.raises(KeyboardInterrupt):
        Child(interrupts)
    over.set()
    for other in others:
        other.join()
    assert len(started) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for process in active_children():
        process.join()
