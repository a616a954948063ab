"""MNIST on disk: a folder that the user names, which is only read, and the cache, in which damaged files are replaced.

The files are small, and a loopback server serves them; the expected tensors are in `spec.harness.data.small_mnist`.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from harness import data
from harness.errors import HarnessError
from spec.harness.data.loopback import Answer, Server, send
from spec.harness.data.loopback import server as server
from spec.harness.data.small_mnist import (
    ARRAYS,
    BOMB,
    PACKED,
    SMALL,
    SWAPPED,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    check,
    content,
    expected,
    put,
    use_mirrors,
    within,
)
from spec.harness.data.small_mnist import cache as cache
from spec.harness.support.paths import ROOT


class TestNamedFolder:
    @pytest.mark.parametrize("files", [SMALL, PACKED], ids=["plain", "gzipped"])
    def test_is_loaded_and_left_as_it_was(self, tmp_path: Path, cache: Path, files: dict[str, bytes]) -> None:
        folder = put(tmp_path / "named", files)
        check(data.load(folder))
        check(data.load(str(folder)))
        assert data.folder(folder) == folder
        assert content(folder) == files
        assert not cache.exists()

    def test_comes_from_mnist_dir(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = put(tmp_path / "named", SMALL)
        monkeypatch.setenv("MNIST_DIR", str(folder))
        assert data.folder() == folder
        check(data.load())
        assert not cache.exists()

    def test_goes_before_mnist_dir(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_DIR", str(tmp_path / "elsewhere"))
        folder = put(tmp_path / "named", SMALL)
        assert data.folder(folder) == folder
        with pytest.raises(HarnessError, match=r"elsewhere \(from MNIST_DIR\) does not hold MNIST: there is no such"):
            data.folder()

    def test_one_that_is_not_there_is_named_with_what_to_do(self, tmp_path: Path) -> None:
        for odd in (tmp_path / "nowhere", tmp_path / "nul\0", tmp_path / ("long" * 100)):
            with pytest.raises(HarnessError, match="there is no such folder; name a folder that has .* with --data"):
                data.folder(odd)

    def test_an_empty_mnist_dir_names_none(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_DIR", "")
        put(cache, SMALL)
        assert data.folder() == cache

    @pytest.mark.parametrize(
        ("damage", "complaint"),
        [
            ({TRAIN_LABELS: None}, "train-labels-idx1-ubyte is missing"),
            ({TRAIN_IMAGES: SMALL[TRAIN_IMAGES][:-1]}, "train-images-idx3-ubyte has 9423 bytes instead of 9424"),
            ({TEST_LABELS: SMALL[TEST_LABELS] + b"\0"}, "t10k-labels-idx1-ubyte is longer than 20 bytes"),
            (SWAPPED, "train-images-idx3-ubyte has SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}, train-labels.*, t10k"),
            ({TEST_IMAGES: None, f"{TEST_IMAGES}.gz": b"GIF89a"}, "t10k-images-idx3-ubyte cannot be read .*gzip"),
            (
                {TEST_IMAGES: None, f"{TEST_IMAGES}.gz": PACKED[f"{TEST_IMAGES}.gz"][:500]},
                "t10k-images-idx3-ubyte cannot be read .*end-of-stream",
            ),
        ],
        ids=["missing", "truncated", "longer", "swapped", "no gzip", "truncated gzip"],
    )
    def test_damage_is_an_error_that_names_the_file_and_fetches_nothing(
        self,
        tmp_path: Path,
        cache: Path,
        server: Server,
        monkeypatch: pytest.MonkeyPatch,
        damage: dict[str, bytes | None],
        complaint: str,
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        files = {name: raw for name, raw in (SMALL | damage).items() if raw is not None}
        folder = put(tmp_path / "named", files)
        with pytest.raises(HarnessError, match=f"named does not hold MNIST: {complaint}"):
            data.load(folder)
        assert (content(folder), server.requests, cache.exists()) == (files, [], False)

    def test_a_file_without_end_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        folder = put(tmp_path / "named", {name: raw for name, raw in SMALL.items() if name != TEST_IMAGES})
        with (folder / TRAIN_LABELS).open("wb") as sparse:
            sparse.truncate(1 << 40)
        (folder / f"{TEST_IMAGES}.gz").write_bytes(BOMB)
        with within(1 << 20), pytest.raises(HarnessError, match="train-labels.* longer than .*t10k-images.* longer"):
            data.load(folder)


class TestCache:
    def test_is_used_without_a_source_or_a_lock(self, cache: Path) -> None:
        put(cache, SMALL)
        (cache / "mnist.lock").mkdir()  # so that no lock could be had
        check(data.load())

    @pytest.mark.parametrize(
        "damage",
        [
            {TRAIN_IMAGES: SMALL[TRAIN_IMAGES][:5000]},
            SWAPPED,
            {TEST_LABELS: b""},
            {f"{TEST_LABELS}.0123abcd.partial": b"half"},
        ],
        ids=["truncated", "swapped", "empty", "half-written"],
    )
    def test_damage_is_replaced_and_the_rest_is_kept(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, damage: dict[str, bytes]
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        damaged = [name.removesuffix(".0123abcd.partial") for name in damage]
        put(cache, {name: raw for name, raw in SMALL.items() if name not in damaged} | damage)
        with ExitStack() as readers:
            opened = {name: readers.enter_context((cache / name).open("rb")) for name in set(damage) & set(SMALL)}
            check(data.load())
            # A process that is reading a file goes on reading the old one: files are replaced, not overwritten.
            assert {name: reader.read() for name, reader in opened.items()} == {name: damage[name] for name in opened}
        assert content(cache) == SMALL
        assert sorted(server.requests) == sorted(f"/a/{name}.gz" for name in damaged)

    def test_damage_that_cannot_be_replaced_is_not_used(self, cache: Path) -> None:
        put(cache, SMALL | {TEST_LABELS: SMALL[TRAIN_LABELS]})
        with pytest.raises(HarnessError, match="t10k-labels-idx1-ubyte has SHA-256"):
            data.load()

    def test_a_cache_that_cannot_be_made_is_a_clear_error(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        (tmp_path / "home").write_text("a file where the folder should be")  # stops root as well
        with pytest.raises(
            HarnessError, match=r"the cache cannot be written .*home.*; name a folder .* --data or MNIST_DIR"
        ):
            data.load()
        assert server.requests == []

    def test_a_file_that_cannot_be_replaced_is_a_clear_error(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        (cache / TRAIN_LABELS).mkdir(parents=True)
        with pytest.raises(HarnessError, match=r"cannot write .*train-labels-idx1-ubyte: Is a directory; name a"):
            data.load()
        assert not list(cache.glob("*.partial"))

    def test_a_disk_that_fills_up_leaves_nothing_half_written(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(HarnessError, match="cannot write .*: No space left on device; name a folder"):
            data.load()
        assert content(cache) == {}

    @pytest.mark.end_to_end
    def test_several_processes_at_once_fetch_once(self, tmp_path: Path, cache: Path, server: Server) -> None:
        def slow(raw: bytes) -> Answer:
            def answer(handler: BaseHTTPRequestHandler) -> None:
                time.sleep(0.05)
                send(raw)(handler)

            return answer

        mirror = server.mirror("a", {name: slow(raw) for name, raw in PACKED.items()})
        files = [vars(expected(name)) for name in SMALL]
        done = subprocess.run(
            [sys.executable, "-c", FOUR_PROCESSES, json.dumps(files), mirror],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.splitlines() == [f"{cache} {ARRAYS[TRAIN_IMAGES].sum(dtype=int)}"] * 4
        assert sorted(server.requests) == sorted(f"/a/{name}" for name in PACKED)
        assert content(cache) == SMALL


# One import of torch, then four processes that leave a barrier together.
FOUR_PROCESSES = """
import json, multiprocessing, os, sys
from types import SimpleNamespace
from harness import data
from harness.data import download

def work(barrier):
    barrier.wait()
    line = f"{data.folder()} {int(data.load().train_images.sum())}\\n"
    os.write(1, line.encode())  # in one piece

download.FILES = tuple(download.File(**file) for file in json.loads(sys.argv[1]))
sys.modules["torchvision"] = SimpleNamespace(
    datasets=SimpleNamespace(MNIST=SimpleNamespace(mirrors=[sys.argv[2]]))
)
fork = multiprocessing.get_context("fork")
barrier = fork.Barrier(4)
workers = [fork.Process(target=work, args=(barrier,)) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
"""
