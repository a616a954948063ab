"""The committed networks are those of their records, and any other file is rejected."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.__main__ import main
from harness.commands import verify
from harness.data import MNIST
from harness.discovery import steps
from harness.errors import HarnessError
from harness.evidence import record
from harness.provenance import fingerprint
from harness.run import Epoch, Run
from harness.step import Step
from harness.training import native, weights
from harness.training.evaluation import Evaluation
from harness.training.trainer import Trainer, single_trainer
from spec.harness.jobs import small
from spec.harness.jobs.native_stand_in import stand_in
from spec.harness.jobs.small import Call, Plain, Simple
from spec.harness.jobs.small import call as call
from spec.harness.support.paths import ROOT

HALF_BYTES = b'{"x":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'


@pytest.fixture(scope="module")
def trained() -> dict[str, bytes]:
    """The record and the weights, by the names of their files, once the first test that needs them has made them."""
    return {}


@pytest.fixture
def made(call: Call, capsys: pytest.CaptureFixture[str], trained: dict[str, bytes]) -> Path:
    """The weights of seed 1 of a step whose record has the seeds 0 and 1."""
    files = record.path_of(Plain), weights.path_of(Plain)
    if not trained:
        assert call("small/plain --seed 0 1 --record")[0] == 0
        assert main(["verify", "small/plain", "--train", "--seed", "1", "--device", "cpu"]) == 0
        out = capsys.readouterr().out.splitlines()
        digest = hashlib.sha256(weights.path_of(Plain).read_bytes()).hexdigest()[:16]
        assert out[0] == f"wrote {weights.path_of(Plain)}, the weights {digest} for a Teacher"
        assert "plain: 752 parameters, seed 1: " in out[1]
        trained.update({file.name: file.read_bytes() for file in files})
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(trained[file.name])
    return weights.path_of(Plain)


def test_the_weights_of_a_native_record_are_made_by_the_native_trainer(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch)
    assert call("small/plain --seed 0 --record --trainer native")[0] == 0
    asked = []

    def native_trainer(step: type[Step], seed: int, images: MNIST) -> Trainer:
        asked.append((step, seed))
        return single_trainer(step, seed, images)

    monkeypatch.setattr(native, "native_trainer", native_trainer)
    assert main(["verify", "small/plain", "--train", "--seed", "0", "--device", "cpu"]) == 0
    assert asked == [(Plain, 0)]
    monkeypatch.setattr(native, "refusal", lambda step: "there is no compiler")
    assert main(["verify", "small/plain", "--train", "--seed", "0", "--device", "cpu"]) == 2
    assert (
        "small/plain was trained natively, which cannot be done here: there is no compiler" in capsys.readouterr().err
    )


def test_what_cannot_come_to_the_same_is_not_trained(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Plain, "recipe", replace(Plain.recipe, lr=0.06))
    monkeypatch.setattr("harness.training.train.training", None)
    assert main(["verify", "small/plain", "--train", "--seed", "1", "--device", "cpu"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(
        r"plain\.json was made with another network or recipe, fingerprint \w+ \(here \w+\); go back to what made it",
        line,
    )


def test_weights_that_cannot_be_written_are_not_trained(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("small/plain --seed 0 --record")[0] == 0
    monkeypatch.setattr("harness.training.train.train", lambda *_: iter([]))
    folder = weights.path_of(Plain).parent
    folder.touch()
    assert main(["verify", "small/plain", "--train", "--seed", "0", "--device", "cpu"]) == 2
    assert capsys.readouterr().err == (
        f"python -m harness verify: error: cannot write {folder / 'plain.safetensors'}: File exists; it is as it was\n"
    )
    folder.unlink()
    weights.probe(Plain)
    assert not folder.exists()


def test_the_network_misses_what_its_record_says(made: Path) -> None:
    network = small.Network()
    network.load_state_dict(load_file(made))
    network.eval()
    data = small.images()
    pixels = (data.test_images[:, None] / 255 - 0.1307) / 0.3081
    with torch.no_grad():
        wrong = (network(pixels).argmax(1) != data.test_labels).nonzero().flatten().tolist()
    record = json.loads((made.parents[1] / "records" / "plain.json").read_text())
    assert wrong == [index for index, _, _ in record["runs"][1]["errors"]]


def test_a_network_that_is_not_that_of_the_record_fails(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors, path = load_file(made), made
    for name in tensors:
        if name.endswith("bias"):
            tensors[name] = tensors[name].roll(1)
    header = {"step": "small/plain", "seed": "1", "fingerprint": fingerprint(Plain)}
    save_file(tensors, path, header)
    assert main(["verify", "small/plain", "--device", "cpu"]) == 1
    assert "NOT what the record says" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("differing", "sound", "words"),
    [
        (0, True, "193 of 200 test images right (96.50 %), and the 7 that the record says are wrong"),
        (5, True, "198 of 200 test images right (99.00 %), as the record says but for 5, which rounding on another"),
        (6, False, "199 of 200 test images right (99.50 %), which is NOT what the record says: 6 images are decided"),
    ],
)
def test_five_images_that_are_decided_otherwise_are_ties_and_six_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], differing: int, sound: bool, words: str
) -> None:
    errors = tuple((index, 3, 8) for index in range(7))
    run = Run(Plain, 1, (Epoch(1, 99.0, 99.0, 0.1, 1.0, errors),))
    monkeypatch.setattr(verify, "_recorded", lambda step, seed: run)
    found = Evaluation(errors[differing:], 0.1)
    monkeypatch.setattr("harness.training.evaluation.evaluation", lambda *_: found)
    images = MNIST(torch.zeros(0), torch.zeros(0), torch.zeros(1), torch.zeros(200))
    assert verify._verified(weights.Trained(Plain, 1, small.Network()), images) is sound
    assert capsys.readouterr().out.startswith(f"small/plain: 752 parameters, seed 1: {words}")


def test_what_is_missing_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "steps", lambda: {"small/simple": Simple})
    for line, message in (
        ("verify small/simple", "small/simple has no weights"),
        ("verify small/simple --train --seed 0", "small/simple has no record; make one with"),
        ("verify --train", "--train is for one seed of one step"),
        ("verify small/simple --seed 0", "--seed is for --train"),
        ("verify", "no step has weights yet"),
    ):
        assert main([*line.split(), "--device", "cpu"]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not weights.path_of(Simple).exists()


def test_a_run_that_does_not_name_its_misses_is_trained_anew_first(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made.parents[1] / "records" / "plain.json"
    record = json.loads(path.read_text())
    record["runs"][1]["errors"] = []  # as of older versions
    path.write_text(json.dumps(record))
    assert main(["verify", "small/plain", "--device", "cpu"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"python -m harness verify: error: {path} does not say which test images seed 1 misses; "
        "train it anew: python -m harness train small/plain --seed 1 --record --replace"
    )


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"(?s).\Z", b""),  # cut short
        (rb"(?s).+", b""),
        (rb"\A", b"\x80\x04]"),  # as a pickle begins
        (rb"(?s).+", len(HALF_BYTES).to_bytes(8, "little") + HALF_BYTES + b"\0"),  # sound, of a type that torch has not
        (b'"seed":"1"', b'"seed":"x"'),
        (b'"fingerprint":"...', b'"fingerprint":"xyz'),
        (b"0.0.weight", b"0.9.weight"),
    ],
)
def test_a_file_that_is_not_its_weights_is_one_line(pattern: bytes, replacement: bytes, made: Path) -> None:
    raw = re.sub(pattern, replacement.replace(b"\\", b"\\\\"), made.read_bytes(), count=1)
    assert raw != made.read_bytes()
    made.write_bytes(raw)
    with pytest.raises(HarnessError, match=r"plain\.safetensors has not the weights of small/plain"):
        weights.read(Plain)


def test_a_training_that_comes_to_something_else_writes_nothing(made: Path) -> None:
    path = made.parents[1] / "records" / "plain.json"
    record = json.loads(path.read_text())
    before = made.read_bytes()
    record["runs"][0]["errors"] = [[index, 3, 8] for index in range(20)]
    path.write_text(json.dumps(record))
    assert main(["verify", "small/plain", "--train", "--seed", "0", "--device", "cpu"]) == 2
    assert made.read_bytes() == before


def test_the_weights_of_the_repository_are_of_their_steps() -> None:
    committed = [step for step in steps().values() if weights.path_of(step).exists()]
    on_disk = {path.relative_to(ROOT / "spec").as_posix() for path in (ROOT / "spec").glob("*/weights/*.safetensors")}
    assert on_disk == {f"{step.ladder}/weights/{step.id.partition('/')[2]}.safetensors" for step in committed}
    assert on_disk
    for step in committed:
        trained = weights.read(step)
        assert record.run_of(step, trained.seed).errors
        assert weights.path_of(step).stat().st_size < 200_000
