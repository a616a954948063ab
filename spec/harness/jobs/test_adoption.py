"""Runs that were trained elsewhere are recorded if all of their file is sound and of this checkout, and else refused.

The files are those that a training writes, with images whose misses are made up.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import report
from harness.__main__ import main
from harness.evidence import record
from harness.provenance import fingerprint
from harness.training.native import NUMERICS
from spec.harness.jobs.made_elsewhere import CPU, GPU, Adopt, accuracies, change, move, put
from spec.harness.jobs.made_elsewhere import adopt as adopt
from spec.harness.jobs.small import Call, Plain, Simple
from spec.harness.jobs.small import call as call


def test_runs_of_a_gpu_are_recorded_beside_those_of_the_cpu_and_compared(adopt: Adopt) -> None:
    for seed, missed in enumerate((60, 70, 80)):
        put(seed, missed, CPU)
    status, out, err = adopt()
    assert (status, out, err) == (0, ["small/plain on cpu: 3 runs added; 99.30 [99.05, 99.55] % by 3 runs in all"], [])
    before = record.path_of(Plain).read_bytes()
    for seed, missed in enumerate((30, 40, 50)):
        put(seed, missed, day=2)
    status, out, err = adopt()
    assert (status, err) == (0, [])
    assert out == [
        "small/plain on cpu: 0 runs added; 3 runs recorded before; 99.30 [99.05, 99.55] % by 3 runs in all",
        # standard errors of 0.1 / sqrt(3) each, 4 degrees of freedom, of which t is 2.7764
        "small/plain on cuda: 3 runs added; 99.60 [99.35, 99.85] % by 3 runs in all; "
        "GPU minus CPU: +0.300 [+0.073, +0.527] points, 95 % interval of Welch, 3 and 3 runs",
    ]
    assert record.path_of(Plain).read_bytes() == before
    assert accuracies("cuda") == {0: 99.7, 1: 99.6, 2: 99.5}
    first = record.runs(Plain, "cuda")[0]
    assert (first.provenance, first.together, first.errors) == (GPU, 2, tuple((image, 3, 8) for image in range(30)))
    again = record.path_of(Plain, "cuda").read_bytes()
    shutil.copytree("made", "made/twice")
    _, out, _ = adopt()
    assert [line.partition(";")[2][:23] for line in out] == [" 3 runs recorded before"] * 2
    assert record.path_of(Plain, "cuda").read_bytes() == again


def as_seed_0(path: Path) -> None:
    change(path, 0, seed=0)
    move(path, path.with_name("seed0-20260103T000000.000000Z.jsonl"))


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


MISFITS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut": (lambda path: path.write_text(path.read_text()[:-3]), "is of no complete run: it has 3 of 4 epochs"),
    "more behind": (
        lambda path: path.write_text(path.read_text() + '{"epo'),
        "is of no complete run: it has more behind its 4 epochs",
    ),
    "failed": (lambda path: change(path, 4, failed="NaN"), "is of a run that failed: NaN"),
    "no JSON": (lambda path: path.write_text("x\n"), "is not a run file of small/plain: "),
    "empty": (lambda path: path.write_text(""), "is not a run file of small/plain: "),
    "NaN": (lambda path: path.write_text(path.read_text().replace("0.1", "NaN")), "is not a run file of small/plain: "),
    "another step": (lambda path: change(path, 0, step="small/simple"), "small/plain: it is of small/simple"),
    "another seed": (lambda path: change(path, 0, seed=5), "is of seed 5"),
    "better": (lambda path: change(path, 3, test_accuracy=99.9), "has 40 misses and 99.9 % in epoch 3, which differ"),
    "network": (
        lambda path: change(path, 0, fingerprint="0"),
        f"with another network or recipe, fingerprint 0 (here {CPU['fingerprint']}); adopt",
    ),
    "data": (lambda path: change(path, 0, data="0123"), "was made with data 0123 (here "),
    "numerics": (
        lambda path: change(path, 0, device="cpu", trainer="native", numerics=NUMERICS + 1),
        f"was made with numerics {NUMERICS + 1} (here {NUMERICS}); adopt it where all is as it was then",
    ),
    "no device": (lambda path: change(path, 0, device=None), "does not say whether a CPU or a GPU made it"),
    "another device": (lambda path: change(path, 0, device="mps"), "does not say whether a CPU or a GPU made it"),
    "no hardware": (lambda path: change(path, 0, hardware=None), "not added: it was made with hardware None (here "),
    "another GPU": (
        lambda path: change(path, 0, hardware="NVIDIA H200"),
        "with hardware NVIDIA H200 (here NVIDIA H100",
    ),
    "another run": (as_seed_0, "plain.cuda.json has another run of seed 0, which stays"),
    "name": (lambda path: move(path, path.with_name("seed1.jsonl")), "is not named as a run file is"),
    "folder": (lambda path: move(path, Path("made/small/unknown", path.name)), "is in the folder of no step here"),
    "a folder": (as_folder, "Is a directory"),
    "no file": (as_link, "No such file or directory"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_what_does_not_fit_is_refused_by_name_and_the_rest_is_recorded(adopt: Adopt, kind: str) -> None:
    put(0, 60)
    assert adopt()[0] == 0
    put(2, 50)
    put(0, 70, {**CPU, "fingerprint": fingerprint(Simple)}, Simple)
    spoil, message = MISFITS[kind]
    spoil(put(1, 40))
    status, out, (refused, last) = adopt()
    assert (status, len(out)) == (2, 2)
    assert refused.startswith("made/small/")
    assert message in refused
    assert last == "python -m harness adopt: error: 1 run is refused, as named above; the others are recorded"
    assert accuracies("cuda") == {0: 99.4, 2: 99.5}
    assert [run.final[0] for run in record.runs(Simple)] == [99.3]


def test_where_none_fits_none_is_said_to_be_recorded(adopt: Adopt) -> None:
    for seed in (0, 1):
        put(seed, 60).write_text("")
    status, out, lines = adopt()
    assert (status, out, len(lines)) == (2, [], 3)
    assert lines[-1].endswith(": 2 runs are refused, as named above; none is recorded")


def test_without_a_record_runs_of_two_kinds_are_all_refused(adopt: Adopt) -> None:
    put(0, 60)
    put(1, 60, {**GPU, "driver": "570.01"})
    status, out, err = adopt()
    assert (status, out, len(err)) == (2, [], 3)
    assert all(
        "not all runs of the step were made with the same: driver 570.01 (here 580.65)" in one for one in err[:2]
    )
    assert not record.path_of(Plain, "cuda").exists()


def test_a_run_that_a_record_could_not_be_read_with_is_not_written(adopt: Adopt) -> None:
    put(0, 60, {key: value for key, value in GPU.items() if key != "torch"})
    status, _, err = adopt()
    assert status == 2
    assert err[0].endswith("is not added: seed 0 of small/plain cannot be recorded: it has no 'torch'")
    assert not record.path_of(Plain, "cuda").exists()


def test_a_spoilt_record_stays_as_it_is(adopt: Adopt) -> None:
    put(0, 60)
    put(0, 60, CPU, day=2)
    path = record.path_of(Plain, "cuda")
    path.parent.mkdir()
    path.write_text("spoilt")
    status, out, err = adopt()
    assert (status, path.read_text(), len(out), len(err)) == (2, "spoilt", 1, 2)
    assert "plain.cuda.json is not a record of small/plain" in err[0]


def test_a_spoilt_record_of_the_cpu_keeps_no_run_of_a_gpu_from_its_record(adopt: Adopt) -> None:
    put(0, 60)
    put(0, 70, {**CPU, "fingerprint": fingerprint(Simple)}, Simple)
    path = record.path_of(Plain)
    path.parent.mkdir()
    path.write_text("spoilt")
    status, out, [last] = adopt()
    assert (status, len(out), accuracies("cuda")) == (2, 1, {0: 99.4})
    assert last.startswith(f"python -m harness adopt: error: {path} is not a record of small/plain: ")
    assert path.read_text() == "spoilt"


def test_one_run_file_may_be_named(adopt: Adopt, call: Call) -> None:
    put(1, 60)
    assert main(["adopt", str(put(0, 70))]) == 0
    assert accuracies("cuda") == {0: 99.3}


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_run_files_is_one_line(adopt: Adopt, there: bool) -> None:
    if there:
        Path("made").mkdir()
    assert adopt() == (2, [], [
        "python -m harness adopt: error: made has no run files; name a folder that --out of a training has filled, "
        "or a record"
    ])  # fmt: skip


def test_a_run_on_other_test_images_is_refused(call: Call, adopt: Adopt) -> None:
    """These are few and synthetic, and its file says that they are those of MNIST."""
    assert call("small/plain --seed 0 --out made")[0] == 0
    status, _, err = adopt()
    assert status == 2
    assert re.search(r" has \d+ misses and [\d.]+ % in epoch 1, which differ$", err[0])


def test_adopted_runs_bring_the_texts_up_to_date(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: list[int] = []

    def rewrite() -> list[Path]:
        recorded.append(len(record.runs(Plain, "cuda")))
        return [Path("README.md")]

    monkeypatch.setattr(report, "rewrite", rewrite)
    put(0, 60)
    assert main(["adopt", "made"]) == 0
    out, err = capsys.readouterr()
    assert (recorded, err) == ([1], "wrote README.md\n")
    assert out.endswith("; no CPU to compare with\n")
