"""A checkpoint comes out of its bytes as it went in, belongs to one step and one provenance, or says why not."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import strict_json
from harness.errors import HarnessError
from harness.jobs import checkpoint
from harness.jobs.checkpoint import Checkpoint, unpack
from harness.run import Epoch, Progress
from spec.harness.jobs.packed import EPOCH, packed, text_of
from spec.harness.jobs.small import MADE, Plain, Simple

EPOCHS = [Epoch(n, 90.5 + n, 91.25 + n, 0.5 / n, 1.5, ((7, 3, 8),), 0.25, 92.0) for n in (1, 2)]
STATE = {
    "floats": torch.tensor([[1.5, math.pi], [math.inf, -0.0]]),
    "doubles": torch.arange(6.0, dtype=torch.float64).view(3, 1, 2),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "none": torch.empty(0),
}


def saved(*, failed: dict[int, str] | None = None, **lengths: int) -> Checkpoint:
    """A checkpoint of seeds 4 and 2, with as many epochs each as `s4` and `s2` say."""
    progress = Progress([4, 2])
    progress.epochs = {4: EPOCHS[: lengths.get("s4", 2)], 2: EPOCHS[: lengths.get("s2", 2)]}
    progress.failed = failed or {}
    return Checkpoint(Plain.id, dict(MADE), progress, STATE)


def test_what_is_packed_is_unpacked() -> None:
    before = saved(failed={2: "the loss is nan"}, s2=1)
    after = unpack(before.pack(), "here")
    assert (after.step, after.head, after.epoch) == ("small/plain", MADE, 2)
    assert list(after.progress.epochs.items()) == [(4, EPOCHS), (2, EPOCHS[:1])]
    assert after.progress.failed == {2: "the loss is nan"}
    assert after.state.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert after.state[name].dtype == tensor.dtype
        assert torch.equal(after.state[name], tensor)


def test_the_epoch_is_that_of_the_seeds_that_did_not_fail() -> None:
    assert saved().epoch == 2
    assert saved(failed={4: "why"}, s4=1).epoch == 2
    assert saved(failed={4: "why"}, s4=2, s2=1).epoch == 1
    assert saved(failed={4: "why", 2: "why"}).epoch == 0
    assert saved(s4=0, s2=0).epoch == 0


def test_any_byte_of_a_tensor_and_any_name_is_in_the_digest() -> None:
    text = text_of()
    digest = checkpoint._digest(text, STATE)
    others = [
        {**STATE, "bytes": torch.tensor([0, 1, 2, 3, 5], dtype=torch.uint8)},
        {**STATE, "floats": torch.tensor([[1.5, math.pi], [math.inf, 0.0]])},
        {("none " if name == "none" else name): tensor for name, tensor in STATE.items()},
    ]
    assert len({digest, checkpoint._digest(text + " ", STATE), *(checkpoint._digest(text, one) for one in others)}) == 5
    assert checkpoint._digest(text, dict(reversed(STATE.items()))) == digest  # whatever the order in the file


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (text_of(head={"seed": 5}), "its head names a step or a seed"),
        (text_of(head={"step": "a/b"}), "its head names a step or a seed"),
        (text_of(version=2), "it is of version 2 of the format, and this is version 1"),
        (text_of(version=0), "it is of version 0 of the format, and this is version 1"),
        (
            text_of(runs=[{"seed": 0, "epochs": []}] * 2),
            "its runs are not of different seeds and of one length",
        ),
        (
            text_of(runs=[{"seed": 0, "epochs": []}, {"seed": 1, "epochs": [EPOCH]}]),
            "its runs are not of different seeds and of one length",
        ),
        (text_of(runs=[{"seed": 0, "epochs": [{**EPOCH, "epoch": 2}]}]), "'epoch'"),
        (text_of(runs=[{"seed": 0, "epochs": [], "failed": ["x"]}]), "'failed'"),
        (text_of(runs=[{"seed": strict_json.SEEDS, "epochs": []}]), "'seed'"),
    ],
)
def test_what_is_none_says_why_and_what_to_do(text: str, why: str) -> None:
    with pytest.raises(HarnessError) as raised:
        unpack(packed(text), "the file")
    assert str(raised.value).startswith("the file is not a checkpoint: ")
    assert why in str(raised.value)
    assert str(raised.value).endswith("; delete it to start its runs anew")


def test_a_sha_256_that_is_another_is_named() -> None:
    raw = packed(text_of())
    digest = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["sha256"]
    with pytest.raises(HarnessError, match="its SHA-256 is not that of its contents"):
        unpack(raw.replace(digest.encode(), b"0" * 64), "here")


def test_a_seed_that_failed_may_have_fewer_epochs_and_none_needs_to_say_that_it_did_not() -> None:
    runs: list[dict[str, Any]] = [{"seed": 0, "epochs": [], "failed": "why"}, {"seed": 1, "epochs": [EPOCH]}]
    progress = unpack(packed(text_of(runs=runs)), "here").progress
    assert (progress.failed, [len(run) for run in progress.epochs.values()]) == ({0: "why"}, [0, 1])


def test_it_belongs_to_one_step_and_one_provenance() -> None:
    one = saved()
    one.check(Plain, dict(MADE), "it")
    with pytest.raises(HarnessError, match=r"^it is of small/plain, not of small/simple$"):
        one.check(Simple, dict(MADE), "it")
    with pytest.raises(HarnessError, match=r"^it was made with .*torch.*; go on with the same, or delete it"):
        one.check(Plain, {**MADE, "torch": "0.1"}, "it")


def test_a_file_is_read_whole_or_one_line_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    path.write_bytes(saved().pack())
    assert checkpoint.read(path).progress.epochs == {4: EPOCHS, 2: EPOCHS}
    with pytest.raises(
        HarnessError, match=r"missing.safetensors cannot be read: .*; delete it to start its runs anew$"
    ):
        checkpoint.read(tmp_path / "missing.safetensors")
