"""Functions called in other processes, which is how several commands at once are tested."""

import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess


def start(target: Callable[..., None], *arguments: object) -> ForkProcess:
    """Call a function in another process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking a process with threads: none of them matters here
        process = get_context("fork").Process(target=target, args=arguments)
        process.start()
    return process


def finish(*processes: ForkProcess) -> None:
    """Wait until all of them have ended, each without an error."""
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def stubborn(connection: Connection) -> None:
    """Heed no SIGTERM, and wait for a message that nobody sends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send("ready")
    connection.recv()


def interrupts(connection: Connection) -> None:
    """Say whether this process ignores Ctrl-C, and whether programs that it starts would have it blocked."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    connection.send((signal.getsignal(signal.SIGINT) == signal.SIG_IGN, signal.SIGINT in blocked))


def alive_in(group: int) -> bool:
    """Whether a process group still has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
