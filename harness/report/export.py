"""The epochs of runs for other programs: as CSV, and as scalars for TensorBoard."""

import csv
import io
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import files
from harness.errors import HarnessError
from harness.run import FIGURES, Epoch, Run
from harness.step import Step


def csv_of(runs: Sequence[Run]) -> str:
    """One row per epoch under a head with the names of the columns; a cell is empty where a figure is unknown."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("step", "seed", "epoch", *FIGURES))
    for run in runs:
        for epoch in run.epochs:
            figures = (getattr(epoch, name) for name in FIGURES)
            rows.writerow((run.step.id, run.seed, epoch.epoch, *("" if math.isnan(one) else one for one in figures)))
    return text.getvalue()


def scalars(folder: Path) -> Callable[[type[Step], int, Epoch], None]:
    """A function that writes an epoch of a seed to `folder`/<ladder>/<step>/seed<N>, as TensorBoard reads it.

    Raises HarnessError if TensorBoard is not installed or the folder cannot be written.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise HarnessError("--tensorboard needs TensorBoard: pip install tensorboard") from error
    advice = "name another folder"
    with files.writable(folder, advice):
        folder.mkdir(parents=True, exist_ok=True)
    files.probe(folder / "scalars", advice)  # before anything is trained
    of_run: dict[tuple[str, int], Path] = {}

    def write(step: type[Step], seed: int, epoch: Epoch) -> None:
        figures, now = {name: getattr(epoch, name) for name in FIGURES}, time.time()
        values = [Summary.Value(tag=name, simple_value=one) for name, one in figures.items() if not math.isnan(one)]
        events = [Event(wall_time=now, step=epoch.epoch, summary=Summary(value=values))]
        place = folder / step.id / f"seed{seed}"
        if (step.id, seed) not in of_run:
            of_run[step.id, seed] = place / f"events.out.tfevents.{now:.6f}.{os.getpid()}"
            # What an earlier run of the seed left in this folder from that epoch on is not shown any more.
            start = Event(wall_time=now, step=epoch.epoch, session_log=SessionLog(status=SessionLog.START))
            events = [Event(wall_time=now, file_version="brain.Event:2"), start, *events]
        # Here and at once: the writer of TensorBoard has a thread for it, whose errors are tracebacks or come too late.
        with files.writable(place, advice):
            place.mkdir(parents=True, exist_ok=True)
            with of_run[step.id, seed].open("ab") as file:
                for event in events:
                    RecordWriter(file).write(event.SerializeToString())

    return write
