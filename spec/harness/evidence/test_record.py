"""Records: whole, small, and the source of every measured figure."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from harness import Recipe, StepSpec
from harness.errors import HarnessError
from harness.evidence import record, summary
from harness.provenance import fingerprint
from harness.run import Epoch, Run, run_of_json
from harness.step import Step

MADE = {"hardware": "a processor", "torch": "2.15.0", "fingerprint": "0123"}


@pytest.fixture
def step(tmp_path: Path) -> type[Step]:
    """A step of four epochs whose spec lies in a temporary folder."""
    recipe = Recipe(lr=0.1, batch_size=64, epochs=4)
    own = {"__module__": __name__, "model": nn.Identity, "parameters": 7, "recipe": recipe}
    spec: type[Step] = type("TestTiny", (StepSpec,), own)
    spec.id, spec.source = "mine/tiny", tmp_path / "test_01_tiny.py"
    return spec


def run(seed: int, *accuracies: float) -> dict[str, Any]:
    """A run as records hold it, whose training accuracy is 99 throughout."""
    return {
        "seed": seed,
        "together": 1,
        "epochs": [
            {"epoch": number, "train_accuracy": 99.0, "test_accuracy": accuracy, "train_loss": 0.1, "seconds": 1.5}
            for number, accuracy in enumerate(accuracies, 1)
        ],
        "errors": [[18, 3, 8], [320, 9, 4]],
    }


def add(step: type[Step], made: dict[str, Any], value: dict[str, Any], *, replace: bool = False) -> None:
    """Put a run, as records hold it, into the record of the step."""
    record.add(run_of_json(step, value, made), replace=replace)


def put(step: type[Step], text: str) -> None:
    """Write a file where the record of the step is looked for."""
    path = record.path_of(step)
    path.parent.mkdir()
    path.write_text(text)


def test_seeds_are_merged_in_order_whatever_came_first(step: type[Step]) -> None:
    add(step, MADE, run(1, 98.0, 99.5, 99.5, 99.5))
    add(step, MADE, run(0, 98.0, 99.4, 99.4, 99.3))
    kept = json.loads(record.path_of(step).read_text())
    assert (kept["step"], kept["parameters"], kept["provenance"]) == ("mine/tiny", 7, MADE)
    assert kept["runs"] == [run(0, 98.0, 99.4, 99.4, 99.3), run(1, 98.0, 99.5, 99.5, 99.5)]


def test_a_record_has_a_line_an_epoch_and_nothing_else_is_left_behind(step: type[Step]) -> None:
    add(step, MADE, run(0, 98.0, 99.4, 99.4, 99.3))
    lines = record.path_of(step).read_text().splitlines()
    assert [line.count('"epoch":') for line in lines if '"epoch":' in line] == [1, 1, 1, 1]
    assert {path.suffix for path in record.path_of(step).parent.iterdir()} == {".json"}


def test_a_record_as_it_is_written(step: type[Step], tmp_path: Path) -> None:
    add(step, MADE, run(0, 98.0, 99.4))
    assert (tmp_path / "records" / "tiny.json").read_text() == (
        """\
{
 "step": "mine/tiny",
 "parameters": 7,
 "provenance": {
  "hardware": "a processor",
  "torch": "2.15.0",
  "fingerprint": "0123"
 },
 "runs": [
  {"seed": 0, "together": 1, "errors": [[18, 3, 8], [320, 9, 4]], "epochs": [
   {"epoch": 1, "train_accuracy": 99.0, "test_accuracy": 98.0, "train_loss": 0.1, "seconds": 1.5},
   {"epoch": 2, "train_accuracy": 99.0, "test_accuracy": 99.4, "train_loss": 0.1, "seconds": 1.5}
  ]}
 ]
}
"""
    )


def test_the_json_of_a_run_has_the_misses_of_the_last_epoch(step: type[Step]) -> None:
    epochs = (Epoch(1, 98.0, 98.5, 0.2, 1.5, ((5, 6, 0),)), Epoch(2, 99.0, 99.2, 0.1, 1.6, ((7, 8, 9), (9, 1, 7))))
    assert Run(step, 3, epochs, together=4).as_json() == {
        "seed": 3,
        "together": 4,
        "epochs": [
            {"epoch": 1, "train_accuracy": 98.0, "test_accuracy": 98.5, "train_loss": 0.2, "seconds": 1.5},
            {"epoch": 2, "train_accuracy": 99.0, "test_accuracy": 99.2, "train_loss": 0.1, "seconds": 1.6},
        ],
        "errors": ((7, 8, 9), (9, 1, 7)),
    }
    assert Run(step, 0, ()).as_json() == {"seed": 0, "together": 1, "epochs": [], "errors": ()}


def test_the_very_same_run_again_changes_nothing(step: type[Step]) -> None:
    epochs = (Epoch(1, 98.0, 98.5, 0.2, 1.5, ((5, 6, 0),), test_loss=0.04),)
    for _ in range(2):
        record.add(Run(step, 0, epochs, provenance=MADE))
    assert [one.as_json() for one in record.runs(step)] == [Run(step, 0, epochs).as_json()]  # NaN equals nothing


def test_a_record_that_cannot_be_written_is_one_line(step: type[Step]) -> None:
    record.path_of(step).parent.touch()
    with pytest.raises(HarnessError, match=r"^cannot write .*tiny\.json: File exists; it is as it was$"):
        add(step, MADE, run(0, 99.4))


def test_a_seed_counts_once(step: type[Step]) -> None:
    add(step, MADE, run(0, 99.4))
    before = record.path_of(step).read_bytes()
    with pytest.raises(HarnessError, match="has seed 0 already"):
        add(step, MADE, run(0, 99.9))
    assert record.path_of(step).read_bytes() == before


def test_a_run_replaces_that_of_its_seed_where_it_is_to(step: type[Step]) -> None:
    for seed, accuracy in ((0, 99.1), (1, 99.2), (2, 99.3)):
        add(step, MADE, run(seed, accuracy))
    add(step, MADE, run(1, 99.9), replace=True)
    assert [run.final for run in record.runs(step)] == [(99.1,), (99.9,), (99.3,)]


def test_runs_of_another_make_replace_them_all_where_they_are_to(step: type[Step]) -> None:
    for seed in (0, 1, 2):
        add(step, MADE, run(seed, 99.1))
    other = {**MADE, "hardware": "a GPU"}
    for seed in (4, 3):
        add(step, other, run(seed, 99.5), replace=True)
    kept = record.read(step)
    assert kept is not None
    assert kept.provenance == other
    assert [(run.seed, run.final) for run in kept.runs] == [(3, (99.5,)), (4, (99.5,))]


@pytest.mark.parametrize("key", ["torch", "fingerprint", "hardware"])
def test_runs_of_another_make_do_not_mix(step: type[Step], key: str) -> None:
    add(step, MADE, run(0, 99.4))
    with pytest.raises(HarnessError, match=rf"was made with .*{key} {MADE[key]} \(here other\)"):
        add(step, {**MADE, key: "other"}, run(1, 99.4))


def test_all_that_is_of_another_make_is_named(step: type[Step]) -> None:
    add(step, MADE, run(0, 99.4))
    anew = r"start it anew with: .* --seed 0 1 --record --replace$"
    made = r"made with hardware a processor \(here h\), torch 2\.15\.0 \(here 2\); "
    with pytest.raises(HarnessError, match=made + anew):
        add(step, {**MADE, "torch": "2", "hardware": "h"}, run(1, 99.4))


NATIVE = {"fingerprint": "0123", "data": "4567", "trainer": "native", "numerics": 1}
EPYC = {"hardware": "AMD EPYC", "threads": 1, "torch": "2.15.0", "compiler": "gcc 14"}
APPLE = {"hardware": "Apple M1", "threads": 8, "torch": "2.11.0", "compiler": "clang 19"}


def test_a_native_record_as_it_is_written_grows_on_any_machine(step: type[Step]) -> None:
    add(step, {**NATIVE, **EPYC}, run(1, 99.5))
    add(step, {**NATIVE, **APPLE}, run(0, 99.4))
    text = record.path_of(step).read_text()
    kept = json.loads(text)
    assert kept["provenance"] == NATIVE
    assert kept["runs"] == [{**run(0, 99.4), "made": APPLE}, {**run(1, 99.5), "made": EPYC}]
    assert '\n  {"seed": 0, "together": 1, "made": {"hardware": "Apple M1", ' in text
    read = record.read(step)
    assert read is not None
    assert read.provenance == NATIVE
    assert [one.provenance for one in read.runs] == [{**NATIVE, **APPLE}, {**NATIVE, **EPYC}]
    add(step, {**NATIVE, **EPYC}, run(2, 99.6))
    assert record.path_of(step).read_text().startswith(text.removesuffix("\n ]\n}\n"))


def test_the_measured_line_of_a_native_record_names_no_machine(step: type[Step]) -> None:
    for seed, machine in enumerate((EPYC, APPLE)):
        add(step, {**NATIVE, **machine}, run(seed, 99.9, 99.4, 99.4, 99.4))
    measured = summary.measured(step)
    assert measured is not None
    assert measured.endswith(" (native trainer, numerics 1, the same on every machine)")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (NATIVE | EPYC, NATIVE | EPYC | {"numerics": 2}, r"made with numerics 1 \(here 2\); start it anew with"),
        (
            NATIVE | EPYC,
            MADE | {"trainer": "eager"},
            r"made with trainer native \(here eager\); add to it with --trainer native, or start it anew with",
        ),
        (
            MADE | {"trainer": "eager", "data": "4567"},
            NATIVE | EPYC,
            r"made with trainer eager \(here native\); add to it with --trainer eager, or start it anew with",
        ),
        (
            MADE,
            MADE | {"trainer": "eager"},
            "did not record the trainer; start it anew with: .* --seed 0 1 --record --replace$",
        ),
    ],
    ids=["another arithmetic", "eager to native", "native to eager", "older"],
)
def test_runs_of_another_trainer_do_not_mix(
    step: type[Step], first: dict[str, Any], second: dict[str, Any], message: str
) -> None:
    add(step, first, run(0, 99.4))
    before = record.path_of(step).read_bytes()
    with pytest.raises(HarnessError, match=message):
        add(step, second, run(1, 99.4))
    assert record.path_of(step).read_bytes() == before
    add(step, second, run(1, 99.4), replace=True)
    assert [one.provenance for one in record.runs(step)] == [second]


@pytest.mark.parametrize(
    ("provenance", "made", "message"),
    [
        (NATIVE, None, "it has no 'made'"),
        (NATIVE, "AMD EPYC", "what it was made with is not an object"),
        (NATIVE, {**EPYC, "trainer": "eager"}, "'trainer' is of all runs and not of each"),
        (NATIVE, {**EPYC, "fingerprint": "89ab"}, "'fingerprint' is of all runs and not of each"),
        (NATIVE, {**EPYC, "hardware": "<b>"}, "'hardware' has '<' in it"),
        (NATIVE, {**EPYC, "hardware": 7}, "'hardware' is not printable text"),
        (NATIVE, {**EPYC, "cpu": ["AMD"]}, "'cpu' is not a number"),
        (NATIVE, {"hardware": "AMD EPYC"}, "it has no 'torch'"),
        ({**NATIVE, "hardware": "AMD EPYC"}, EPYC, "'hardware' is of each run and not of all"),
        ({**NATIVE, "numerics": True}, EPYC, "'numerics' is not a whole number"),
        ({**NATIVE, "numerics": 1.5}, EPYC, "'numerics' is not a whole number"),
        ({key: NATIVE[key] for key in ("trainer", "fingerprint")}, EPYC, "it has no 'numerics'"),
        ({key: NATIVE[key] for key in ("trainer", "numerics")}, EPYC, "it has no 'fingerprint'"),
        ({**NATIVE, "trainer": "mine"}, EPYC, "'trainer' is neither eager nor native"),
        ({**MADE, "trainer": None}, None, "'trainer' is neither eager nor native"),
        ({"trainer": "eager", "fingerprint": "0123", "hardware": "h"}, None, "it has no 'torch'"),
    ],
)
def test_a_provenance_that_is_none_is_refused(
    step: type[Step], provenance: dict[str, Any], made: Any, message: str
) -> None:
    own = {} if made is None else {"made": made}
    put(step, json.dumps({"step": "mine/tiny", "provenance": provenance, "runs": [{**run(0, 99.4), **own}]}))
    with pytest.raises(HarnessError, match=f"tiny.json is not a record of mine/tiny: {message}"):
        record.read(step)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"step": "mine/other", "runs": [1]}', '{"step": "mine/tiny"}']
)
def test_a_file_that_is_no_record_is_named(step: type[Step], text: str) -> None:
    put(step, text)
    with pytest.raises(HarnessError, match=r"tiny.json is not a record of mine/tiny"):
        record.read(step)


@pytest.mark.parametrize(
    ("name", "shown"), [("mine/other", "it is of mine/other"), ("x" * 200, f"it is of {'x' * 80}$")]
)
def test_a_record_of_another_step_says_of_which(step: type[Step], name: str, shown: str) -> None:
    put(step, json.dumps({"step": name, "provenance": MADE, "runs": [run(0, 99.4)]}))
    with pytest.raises(HarnessError, match=shown):
        record.read(step)


def test_a_step_with_another_name_keeps_its_record(step: type[Step]) -> None:
    """It is the same network and recipe; the next run that is added writes the new name."""
    made = {**MADE, "fingerprint": fingerprint(step)}
    add(step, made, run(0, 99.4))
    old, step.id = record.path_of(step), "mine/small"
    old.rename(record.path_of(step))
    assert [run.seed for run in record.runs(step)] == [0]
    add(step, made, run(1, 99.5))
    assert json.loads(record.path_of(step).read_text())["step"] == "mine/small"


def test_a_record_that_git_could_not_merge_says_how_to_unite_both_sides(step: type[Step]) -> None:
    add(step, MADE, run(0, 99.4))
    text = record.path_of(step).read_text()
    record.path_of(step).write_text(text.replace(' "runs"', '<<<<<<< HEAD\n "runs"'))
    with pytest.raises(HarnessError, match=r"git could not merge it; take one side, .* and python -m harness adopt "):
        record.read(step)


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        ([], "it has no run, or a seed twice"),
        ([run(0, 99.4), run(1, 99.5), run(0, 99.6)], "it has no run, or a seed twice"),
        ([run(1, 99.4), run(3)], "seed 3 has no epochs"),
    ],
    ids=["no_run", "twice", "no_epochs"],
)
def test_a_record_has_runs_of_different_seeds_with_epochs(
    step: type[Step], runs: list[dict[str, Any]], shown: str
) -> None:
    put(step, json.dumps({"step": "mine/tiny", "provenance": MADE, "runs": runs}))
    with pytest.raises(HarnessError, match=f"tiny.json is not a record of mine/tiny: {shown}$"):
        record.read(step)


def test_a_record_of_an_older_version_has_no_misses_and_no_losses(step: type[Step]) -> None:
    old = {key: value for key, value in run(0, 99.1, 99.4).items() if key in ("seed", "epochs")}
    for epoch in old["epochs"]:
        del epoch["train_loss"]
    put(step, json.dumps({"step": "mine/tiny", "provenance": MADE, "runs": [old]}))
    [read] = record.runs(step)
    assert (read.together, read.errors) == (1, None)
    assert all(math.isnan(epoch.train_loss) for epoch in read.epochs)
    add(step, MADE, run(1, 99.4))
    assert json.loads(record.path_of(step).read_text())["runs"] == [{**old, "together": 1, "errors": []}, run(1, 99.4)]
    assert record.runs(step)[0].errors is None


def test_test_losses_are_kept_beside_runs_of_an_older_version_that_stay_as_they_are(step: type[Step]) -> None:
    add(step, MADE, run(0, 99.1))
    before = record.path_of(step).read_text()
    newer = run(1, 99.4)
    newer["epochs"][0]["test_loss"] = 0.025
    add(step, MADE, newer)
    old, new = record.runs(step)
    assert math.isnan(old.epochs[0].test_loss)
    assert new.epochs[0].test_loss == 0.025
    after = record.path_of(step).read_text()
    assert after.startswith(before.removesuffix("\n ]\n}\n"))
    assert after.count('"train_loss": 0.1, "test_loss": 0.025, "seconds": 1.5}') == after.count("test_loss") == 1


def test_misses_that_are_none_are_refused(step: type[Step]) -> None:
    damaged = {**run(0, 99.4), "errors": [[18, 3, 10]]}
    put(step, json.dumps({"step": "mine/tiny", "provenance": MADE, "runs": [damaged]}))
    with pytest.raises(HarnessError, match="'errors' is not a list of"):
        record.read(step)


def test_a_step_without_a_record_has_no_runs(step: type[Step]) -> None:
    assert record.runs(step) == ()
    add(step, MADE, run(0, 98.0, 99.1, 99.2, 99.3))
    assert [run.final for run in record.runs(step)] == [(99.1, 99.2, 99.3)]


def test_an_image_that_is_not_missed_need_not_be_named(step: type[Step]) -> None:
    assert Run(step, 0, (Epoch(1, 99.0, 100.0, 0.1, 1.0),)).errors == ()


def test_the_measured_line_says_n_interval_hardware_and_versions(step: type[Step]) -> None:
    assert summary.measured(step) is None
    add(step, MADE, run(0, 99.9, 99.40, 99.42, 99.44))
    assert summary.measured(step) == (
        "99.42 over the final 3 epochs of 1 seed, worst 99.40; held by 1 of 1 [0.03, 1.00]; mean best train "
        "99.00, mean best test 99.90 (a processor, torch 2.15.0)"
    )
    add(step, MADE, run(1, 99.0, 99.36, 99.38, 99.40))
    # two means, 99.42 and 99.38: 99.40 +- 12.706 x 0.02 (Student, one degree of freedom)
    assert summary.measured(step) == (
        "99.40 [99.15, 99.65] over the final 3 epochs of 2 seeds, worst 99.36; held by 1 of 2 [0.01, 0.99]; "
        "mean best train 99.00, mean best test 99.65 (a processor, torch 2.15.0)"  # of 99.90 and 99.40
    )
