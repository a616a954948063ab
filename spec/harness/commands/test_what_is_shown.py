"""What the verbs that train show and write: steps within an epoch, and rows in the order of the seeds."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.__main__ import main
from harness.benchmark import profiler
from harness.commands.console import Display
from harness.jobs import engines, worker
from harness.training import native
from spec.harness.jobs import small
from spec.harness.jobs.scripted import here, scripted
from spec.harness.jobs.small import Call
from spec.harness.jobs.small import call as call


@pytest.mark.parametrize("verb", ["train small/simple --trainer eager", "replicate small/simple"])
def test_a_verb_that_trains_shows_the_steps_of_its_engine(
    call: Call, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(native, "refusal", lambda step: "this test is about eager torch")
    monkeypatch.setattr(small.Simple, "planned_runs", classmethod(lambda cls: 1))
    monkeypatch.setattr(small.Simple, "recipe", replace(small.Simple.recipe, epochs=1))
    monkeypatch.setattr(worker, "PERIOD", 0.0)
    monkeypatch.setattr(Display, "on_steps", lambda _, *words: seen.append(words))
    assert main([*verb.split(), "--engine", "local", "--device", "cpu"]) == 0
    assert seen == [(small.Simple, (0,), done, 3) for done in (1, 2, 3)]


def test_table_and_csv_have_the_order_of_the_seeds_though_one_is_finished(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "work", scripted(99.1, 99.2, made=here))
    assert call("small/plain --seed 0")[0] == 0
    line = "train small/plain --seed 1 0 --resume --trainer eager --device cpu --csv a.csv"
    assert main(line.split()) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("small/plain ")]
    assert [row.split()[1] for row in rows] == ["1", "0"]
    assert [row.split(",")[1] for row in Path("a.csv").read_text().splitlines()[1:]] == ["1"] * 4 + ["0"] * 4


def test_a_profile_goes_into_the_folder_of_out(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Path] = []

    def trace(step: object, device: object, folder: Path) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(table="a table", perfetto=folder / "x")

    monkeypatch.setattr(profiler, "trace", trace)
    assert main(["train", "small/plain", "--profile", "--out", "there", "--device", "cpu"]) == 0
    assert asked == [Path("there", "profile")]
    assert "tensorboard --logdir there/profile" in capsys.readouterr().out
