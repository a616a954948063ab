"""A file is written whole or not at all, and a failure is reported in one line."""

import re
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.files import write


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, b"one")
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "why"),
    [("folder", "Is a directory"), ("file/a", "Not a directory"), ("b/a", "No such file or directory")],
)
def test_what_cannot_be_written_is_named_with_what_to_do(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=f"^cannot write {re.escape(str(tmp_path / place))}: {why}; name another$"):
        write(tmp_path / place, b"", advice="name another")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
