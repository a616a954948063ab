"""A process of ours ends, whether it wants to or not."""

import signal

from harness.child import Child
from spec.harness.support.processes import stubborn


def test_a_process_that_heeds_no_request_to_end_is_killed() -> None:
    child = Child(stubborn)
    assert child.receive() == "ready"
    child.end(patience=0.01)
    assert child.process.exitcode == -signal.SIGKILL
