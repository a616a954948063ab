"""A process of ours and the pipe to it.

It is a fresh interpreter: a fork would copy torch's locks in whatever state they are. What goes through the pipe is
pickled by one process of ours for another, and nobody else can open it.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import Any

PATIENCE = 10.0  # seconds that a process has to end before it is killed


def pickled(value: Any) -> bytes:
    """A value as `Child.send` sends it; raises whatever pickling it raises."""
    return bytes(ForkingPickler.dumps(value))


def unpickled(raw: bytes) -> Any:
    """The value that `pickled` made bytes of; raises whatever loading it raises."""
    return ForkingPickler.loads(raw)


class Child:
    """A process that runs `function(connection, *arguments)`, as the process that started it sees it.

    A terminal sends Ctrl-C to it too, which it ignores from its first moment: the process that started it ends it.

    It puts itself into the queue `arrivals` once for each message that is complete, and once when it has died.
    """

    def __init__(
        self, function: Callable[..., None], *arguments: Any, arrivals: "SimpleQueue[Child] | None" = None
    ) -> None:
        context = get_context("spawn")
        self.connection, remote = context.Pipe()
        self.process = context.Process(target=_run, args=(function, remote, *arguments), daemon=True)
        with _interrupts_postponed():
            self.process.start()
        remote.close()  # else the death of the process would not close the pipe
        self._arrivals: SimpleQueue[Child] = SimpleQueue() if arrivals is None else arrivals
        self._incoming: SimpleQueue[bytes | None] = SimpleQueue()
        self._outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        self._threads = [Thread(target=target, daemon=True) for target in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        """Take messages out of the pipe, in a thread: a process that is stopped may leave one half-sent."""
        raw: bytes | None = b""
        while raw is not None:
            try:
                raw = self.connection.recv_bytes()
            except (EOFError, OSError):  # it is dead, which `receive` finds out
                raw = None
            self._incoming.put(raw)
            self._arrivals.put(self)

    def _write(self) -> None:
        with suppress(OSError):  # it is dead, which `receive` finds out
            while (raw := self._outgoing.get()) is not None:
                self.connection.send_bytes(raw)

    def send(self, raw: bytes) -> None:
        """Send a pickled value without waiting until it is read: the process may stand still."""
        self._outgoing.put(raw)

    def receive(self) -> Any:
        """The next value; EOFError, with how it ended, if the process is dead."""
        raw = self._incoming.get()
        if raw is None:
            self.process.join(PATIENCE)
            raise EOFError(exit_reason(self.process.exitcode))
        return unpickled(raw)

    def end(self, patience: float = PATIENCE) -> None:
        """End the process, by force after some seconds, and wait until it is gone."""
        self.process.terminate()
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._outgoing.put(None)
        for thread in self._threads:
            thread.join()
        self.connection.close()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C, of which the main thread alone hears, to the end of a block."""
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or not callable(before):
        yield
        return
    heard: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *received: heard.append(received))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        before(*heard[0])


@contextmanager
def _interrupts_postponed() -> Iterator[None]:
    """Put Ctrl-C off to the end of a block; a process that starts in it has the signal blocked until it runs.

    A new interpreter forgets handlers and inherits what is ignored or blocked. To ignore the signal would lose one that
    comes in between; to block it alone would not, but other threads of this process could still hear it half-way.
    """
    resource_tracker.ensure_running()  # its first start, which is otherwise a part of ours, unblocks the signal
    with uninterrupted():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _run(function: Callable[..., None], *arguments: Any) -> None:
    """What a process of ours does: by now it has loaded what the function needs, which takes seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which programs that it starts would inherit
    function(*arguments)


def exit_reason(status: int | None) -> str:
    """How a process ended: the name of a signal, or its exit status."""
    if status is not None and status < 0:
        names = {one.value: one.name for one in signal.Signals}  # most signals for real time have none
        return names.get(-status, f"signal {-status}")
    return f"exit status {status}"
