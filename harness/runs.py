"""Run files: JSON Lines, written as the training goes, so that a run that dies leaves whole lines behind."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import torch

from harness.data import MNIST
from harness.errors import HarnessError
from harness.provenance import commit, provenance
from harness.step import StepSpec
from harness.train import Epoch, History, OnEpoch, check_output, groups, train


class RunFile:
    """The file of one run, opened for writing; a context manager.

    Its name holds the seed and the moment of the start, so that no run overwrites another. Raises HarnessError if the
    folder cannot be written.
    """

    def __init__(self, folder: Path, step: type[StepSpec], seed: int, header: dict[str, Any]) -> None:
        started = datetime.now(UTC)
        self.path = folder / step.id / f"seed{seed}-{started:%Y%m%dT%H%M%S.%fZ}.jsonl"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("x", encoding="utf-8")
        except OSError as error:
            raise HarnessError(f"cannot write run files to {folder}: {error.strerror or error}") from error
        self.write({"step": step.id, "seed": seed, "started": started.isoformat(timespec="seconds"), **header})

    def write(self, line: dict[str, Any]) -> None:
        """Append one line and hand it to the operating system."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def recorded(
    step: type[StepSpec],
    seeds: Iterable[int],
    device: torch.device,
    *,
    folder: Path,
    data: MNIST,
    epochs: int | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[History]:
    """Train as `harness.train.train` does, with a run file for each seed under `folder`.

    A step that cannot be trained at all is refused before any file is opened.
    """
    check_output(step, step.model().to(device), device)
    header = {**provenance(step, device), **commit()}
    histories = []
    for group in groups(seeds, device):
        with ExitStack() as stack:
            together = {"together": len(group)}
            files = {seed: stack.enter_context(RunFile(folder, step, seed, header | together)) for seed in group}

            def keep(step: type[StepSpec], seed: int, epoch: Epoch, files: dict[int, RunFile] = files) -> None:
                files[seed].write(asdict(epoch))
                if on_epoch is not None:
                    on_epoch(step, seed, epoch)

            histories += train(step, group, device, epochs=epochs, data=data, on_epoch=keep)
    return histories


def told(step: type[StepSpec], seed: int, epoch: Epoch) -> str:
    """One line that tells of an epoch, wherever it is shown."""
    return (
        f"{step.id} seed {seed} epoch {epoch.epoch}/{step.recipe.epochs}: train {epoch.train_accuracy:.2f} "
        f"test {epoch.test_accuracy:.2f} ({epoch.seconds:.1f} s)"
    )
