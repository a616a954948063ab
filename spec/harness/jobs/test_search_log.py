"""The log of a search: what is one, and that no trial is lost of it, whoever writes it at once."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.jobs.search_log import Trial, append, read
from spec.harness.support.processes import finish, start


@pytest.mark.parametrize("line", ["[]", "{", '{"candidate": "a"}', '{"validation": [1e999]}', "\xff"])
def test_a_file_that_is_not_a_log_is_one_line(line: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(line.encode("latin-1") + b"\n")
    with pytest.raises(HarnessError, match=r"log\.jsonl is not the log of a search"):
        read(log)


def trial(worker: int, seed: int) -> Trial:
    return Trial(f"c{worker}", 1, f"f{worker}", seed, (99.0,), 99.0, 1.0)


def append_some(log: Path, worker: int) -> None:
    for seed in range(10):
        append(log, trial(worker, seed))


def test_searches_that_write_a_log_at_once_lose_no_trial(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    finish(*[start(append_some, log, worker) for worker in range(3)])
    found = sorted((one.candidate, one.seed) for one in read(log))
    assert found == [(f"c{worker}", seed) for worker in range(3) for seed in range(10)]
    assert list(tmp_path.iterdir()) == [log]


def test_a_trial_is_saved_even_if_its_log_was_spoilt_meanwhile(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    append(log, trial(0, 0))
    log.write_bytes(log.read_bytes() + b"spoilt\n{cut off")
    append(log, trial(0, 1))
    with pytest.raises(HarnessError, match=r"log\.jsonl is not the log of a search: line 2: "):
        read(log)
    log.write_bytes(log.read_bytes().replace(b"spoilt\n", b""))
    assert [one.seed for one in read(log)] == [0, 1]


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "nowhere").touch()
    with pytest.raises(HarnessError, match=r"cannot write .*log\.jsonl"):
        append(tmp_path / "nowhere" / "log.jsonl", Trial("a", 1, "f", 0, (1.0,), 1.0, 1.0))
