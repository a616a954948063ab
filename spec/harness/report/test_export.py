"""Epochs for other programs: read back with the csv module and with TensorBoard's own reader."""

import csv
import math
import re
import resource
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.report.export import csv_of, scalars
from harness.run import Epoch, Run
from spec.harness.jobs import small
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call


def test_a_row_per_epoch_with_the_numbers_of_the_run(call: Call) -> None:
    status, runs, _ = call("small/simple --seed 3 1 --epochs 2 --csv epochs.csv")
    assert status == 0
    rows = list(csv.DictReader(Path("epochs.csv").read_text().splitlines()))
    assert [(row["step"], row["seed"], row["epoch"]) for row in rows] == [
        ("small/simple", seed, epoch) for seed in "31" for epoch in "12"
    ]
    epochs = [epoch for run in runs for epoch in run["epochs"]]
    for row, epoch in zip(rows, epochs, strict=True):
        assert {name: float(row[name]) for name in epoch if name != "epoch"} == {
            name: value for name, value in epoch.items() if name != "epoch"
        }


def test_an_unknown_figure_is_an_empty_cell() -> None:
    text = csv_of([Run(small.Simple, 0, (Epoch(1, 98.0, 99.0, math.nan, 2.0),))])
    assert text.splitlines()[1] == "small/simple,0,1,98.0,,99.0,,,2.0"


def test_tensorboard_reads_the_scalars_of_each_seed(call: Call) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert call("small/simple --seed 3 1 --epochs 2 --tensorboard board")[0] == 0
    _, runs, _ = call("small/simple --seed 3 --tensorboard board")  # again, and longer: it takes the place of the first
    events = accumulator.EventAccumulator("board/small/simple/seed3").Reload()
    for name in ("test_accuracy", "train_loss"):
        assert [(one.step, one.value) for one in events.Scalars(name)] == [
            (epoch["epoch"], pytest.approx(epoch[name])) for epoch in runs[0]["epochs"]
        ]
    assert Path("board/small/simple/seed1").is_dir()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "board").touch()
    with pytest.raises(HarnessError, match="cannot write .*board"):  # before anything is trained
        scalars(tmp_path / "board")
    with pytest.raises(HarnessError, match="cannot write /proc/self"):  # no file can be made in a folder that is there
        scalars(Path("/proc/self"))
    (tmp_path / "other" / "small").mkdir(parents=True)
    (tmp_path / "other" / small.Simple.id).touch()
    write = scalars(tmp_path / "other")
    with pytest.raises(HarnessError, match="cannot write .*other/small/simple"):
        write(small.Simple, 0, Epoch(1, 98.0, 99.0, 0.1, 2.0))


def test_a_disk_that_is_full_is_one_line_at_the_epoch_that_does_not_fit(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    epoch = Epoch(1, 98.0, 99.0, 0.1, 2.0)
    seed0 = re.escape(str(tmp_path / small.Simple.id / "seed0"))
    write = scalars(tmp_path)
    write(small.Simple, 0, epoch)
    [file] = (tmp_path / small.Simple.id / "seed0").iterdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
    try:
        with pytest.raises(HarnessError, match=f"^cannot write {seed0}: File too large; name another folder"):
            write(small.Simple, 0, epoch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
