"""MNIST in memory: idx files parsed, images held out, the digest of the data set, and a device to move it to.

The bytes are packed here with `struct`; the classes of a split are counted by hand, and its hash is pinned.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import data
from harness.data import MNIST, download, mnist
from harness.errors import HarnessError

HELD_OUT = "ea61cfcbe6316a452d1c0149e5ff60b90d0e4785359e82e50fb196fb5c5cada7"
REAL_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


class TestParse:
    def test_bytes_come_out_in_their_shape_and_can_be_written(self) -> None:
        tensor = mnist.parse(struct.pack(">4I", 2051, 2, 1, 3) + bytes(range(6)), 3)
        assert tensor.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
        tensor += 1
        assert tensor.sum() == 21

    @pytest.mark.parametrize(
        ("raw", "dimensions"),
        [
            (struct.pack(">2I", 2051, 3) + b"abc", 1),
            (struct.pack(">2I", 2049, 3) + b"abc", 3),
            (struct.pack("<2I", 2049, 3) + b"abc", 1),
            (struct.pack(">2I", 0x0D01, 3) + b"abc", 1),
            (struct.pack(">2I", 2049, 4) + b"abc", 1),
            (struct.pack(">2I", 2049, 2) + b"abc", 1),
            (struct.pack(">I", 2049), 1),
            (b"", 3),
        ],
        ids=["images", "labels", "little-endian", "floats", "short", "long", "header only", "empty"],
    )
    def test_what_is_no_idx_file_of_bytes_is_refused(self, raw: bytes, dimensions: int) -> None:
        with pytest.raises(HarnessError, match="not an idx file of bytes .* magic number 0x"):
            mnist.parse(raw, dimensions)


def numbered(labels: list[int] | np.ndarray) -> MNIST:
    """Training images that hold their own index, so that a split can be checked, and a test set of -1."""
    index, none = torch.arange(len(labels)).reshape(-1, 1, 1), torch.full((5, 1, 1), -1)
    return MNIST(index, torch.as_tensor(labels), none, torch.full((5,), -1))


class TestHoldOut:
    def test_of_the_real_size(self) -> None:
        labels = np.random.RandomState(1).permutation(np.repeat(np.arange(10), REAL_COUNTS))
        split = data.hold_out(numbered(labels))
        rest, held = split.train_images.flatten().tolist(), split.test_images.flatten().tolist()
        assert (len(rest), len(held)) == (50_000, 10_000)
        assert sorted(rest + held) == list(range(60_000))
        assert rest == sorted(rest)
        assert held == sorted(held)
        # By hand: a sixth of each count, rounded down, and one more for classes 3, 1, 4 and 5, whose remainders are
        # the largest (5 and 9 are equal).
        assert torch.bincount(split.test_labels).tolist() == [987, 1124, 993, 1022, 974, 904, 986, 1044, 975, 991]
        assert split.train_labels.tolist() == labels[rest].tolist()
        assert split.test_labels.tolist() == labels[held].tolist()
        # Results are chosen on this split: it must never change.
        assert hashlib.sha256(np.asarray(held, dtype="<u4").tobytes()).hexdigest() == HELD_OUT

    def test_depends_on_the_seed_and_on_nothing_else(self) -> None:
        whole = numbered([i % 10 for i in range(600)])
        held = data.hold_out(whole, 100, seed=3).test_images
        torch.manual_seed(8)
        np.random.seed(8)
        assert torch.equal(data.hold_out(whole, 100, seed=3).test_images, held)
        assert not torch.equal(data.hold_out(whole, 100, seed=4).test_images, held)
        assert data.hold_out(whole, 100, seed=3).train_images.shape == (500, 1, 1)

    @given(st.lists(st.integers(0, 9), min_size=2, max_size=80), st.data())
    def test_each_class_gives_its_share(self, labels: list[int], draw: st.DataObject) -> None:
        n = draw.draw(st.integers(1, len(labels) - 1))
        split = data.hold_out(numbered(labels), n)
        assert len(split.test_labels) == n
        for label in set(labels):
            share = n * labels.count(label) / len(labels)
            assert abs(split.test_labels.tolist().count(label) - share) < 1
        assert sorted(split.train_images.flatten().tolist() + split.test_images.flatten().tolist()) == list(
            range(len(labels))
        )

    @pytest.mark.parametrize("n", [-1, 0, 20, 21])
    def test_all_or_nothing_is_refused(self, n: int) -> None:
        with pytest.raises(ValueError, match=f"cannot hold out {n} of 20 images"):
            data.hold_out(numbered([0, 1] * 10), n)


def test_the_data_set_has_a_name_of_its_own() -> None:
    # Computed once from the four published hashes with sha256sum.
    assert data.digest() == "0fa6d6565a8c3c625178be6403669c236d152d4b783ec5f4f9cb963fc165420b"
    assert {file.name: file.size for file in download.FILES} == {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }


def test_data_moves_to_a_device_whole() -> None:
    moved = numbered([1, 2, 3]).to("meta")
    assert [tensor.device.type for tensor in vars(moved).values()] == ["meta"] * 4
    assert moved.train_images.shape == (3, 1, 1)


def test_test_images_are_read_where_they_are_and_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4])
    monkeypatch.setattr(download, "_fetch", None)
    assert data.load_test_images(tmp_path) is None
    (tmp_path / download.TEST_IMAGES).write_bytes(raw)
    assert data.load_test_images(tmp_path) is None  # not what MNIST is
    monkeypatch.setattr(
        download, "FILES", (download.File(download.TEST_IMAGES, len(raw), hashlib.sha256(raw).hexdigest()),)
    )
    found = data.load_test_images(tmp_path)
    assert found is not None
    assert found.tolist() == [[[1, 2], [3, 4]]]
