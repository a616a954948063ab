"""The runs of somebody else's record are recorded if each fits, and what one side has is kept."""

import json
import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.evidence import record
from spec.harness.jobs.made_elsewhere import CPU, Adopt, accuracies, move, put
from spec.harness.jobs.made_elsewhere import adopt as adopt
from spec.harness.jobs.small import Call, Plain
from spec.harness.jobs.small import call as call


def taken() -> Path:
    """Take the record of the CPU out of the checkout, as if it were that of somebody else."""
    path = Path("theirs", "plain.json")
    move(record.path_of(Plain), path)
    return path


def test_the_runs_of_two_records_of_one_step_are_united(
    adopt: Adopt, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, missed in enumerate((60, 70, 80)):
        put(seed, missed, CPU)
    adopt()
    theirs = taken()
    theirs.write_text(theirs.read_text().replace('"seconds": 1.5', '"seconds": 2.5'))
    shutil.rmtree("made")
    for seed, missed in enumerate((50, 70)):
        put(seed, missed, CPU)
    adopt()
    status = main(["adopt", str(theirs)])
    out, err = capsys.readouterr()
    assert (status, accuracies("cpu")) == (2, {0: 99.5, 1: 99.3, 2: 99.2})
    assert out.startswith("small/plain on cpu: 1 run added; 1 run recorded before; ")
    assert err.splitlines()[0] == (
        f"{theirs}, seed 0, is not added: {record.path_of(Plain)} has another run of seed 0, which stays"
    )
    assert [run.epochs[0].seconds for run in record.runs(Plain)] == [1.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{", "", " is not a record: "),
        ('"runs": [', '"runs": [],\n"others": [', " is not a record of small/plain: it has no run, or a seed twice"),
        (
            '"test_accuracy": 99.4',
            '"test_accuracy": 99.5',
            ", seed 0, has 60 misses and 99.5 % in epoch 4, which differ",
        ),
        (CPU["fingerprint"], "0123", ", seed 0, was made with another network or recipe, fingerprint 0123 (here "),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    adopt: Adopt, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    put(0, 60, CPU)
    adopt()
    theirs = taken()
    text = theirs.read_text()
    assert old in text
    theirs.write_text(text.replace(old, new))
    assert main(["adopt", str(theirs)]) == 2
    assert capsys.readouterr().err.startswith(f"{theirs}{message}")
    assert not record.path_of(Plain).exists()


def test_a_record_of_an_older_version_names_no_misses_and_is_taken(
    adopt: Adopt, capsys: pytest.CaptureFixture[str]
) -> None:
    put(0, 60, CPU)
    adopt()
    theirs = taken()
    value = json.loads(theirs.read_text())
    del value["runs"][0]["errors"]
    theirs.write_text(json.dumps(value))
    assert main(["adopt", str(theirs)]) == 0
    assert accuracies("cpu") == {0: 99.4}


def test_a_record_under_a_name_that_its_step_had_is_of_that_step(
    adopt: Adopt, capsys: pytest.CaptureFixture[str]
) -> None:
    put(0, 60, CPU)
    adopt()
    theirs = taken()
    before = theirs.read_text().replace('"small/plain"', '"small/before"')
    theirs.write_text(before.replace(CPU["fingerprint"], "0123"))
    assert main(["adopt", str(theirs)]) == 2
    assert f"{theirs} is of no step here: unknown step 'small/before'; nearest: " in capsys.readouterr().err
    theirs.write_text(before)
    assert main(["adopt", str(theirs)]) == 0
    assert accuracies("cpu") == {0: 99.4}
