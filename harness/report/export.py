"""The epochs of runs for other programs: as CSV, and as scalars for TensorBoard."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import files
from harness.errors import HarnessError
from harness.run import Epoch, Run
from harness.step import Step

FIGURES = (
    *("train_accuracy", "clean_train_accuracy", "test_accuracy"),  # percent
    *("train_loss", "test_loss", "seconds"),
)
"""The numbers of an epoch; see `harness.run.Epoch`."""


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


@contextmanager
def scalars(folder: Path) -> Iterator[Callable[[type[Step], int, Epoch], None]]:
    """A function that writes an epoch of a seed to `folder`/<ladder>/<step>/seed<N>, as TensorBoard reads it.

    Raises HarnessError if TensorBoard is not installed or the folder cannot be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise HarnessError("--tensorboard needs TensorBoard: pip install 'mnist-ladders[tensorboard]'") from error
    with files.writable(folder, "name another folder"):
        folder.mkdir(parents=True, exist_ok=True)
    files.probe(folder / "scalars", "name another folder")  # before anything is trained
    with ExitStack() as writers:
        of_run: dict[tuple[str, int], SummaryWriter] = {}

        def write(step: type[Step], seed: int, epoch: Epoch) -> None:
            place = folder / step.id / f"seed{seed}"
            with files.writable(place):
                if (step.id, seed) not in of_run:
                    # What an earlier run of the seed left in this folder from that epoch on is not shown any more.
                    writer = of_run[step.id, seed] = SummaryWriter(str(place), purge_step=epoch.epoch)
                    writers.callback(writer.close)
                for name in FIGURES:
                    if not math.isnan(value := getattr(epoch, name)):
                        of_run[step.id, seed].add_scalar(name, value, epoch.epoch)
                of_run[step.id, seed].flush()

        yield write
