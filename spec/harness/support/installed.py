"""The project as a user has it: installed from a wheel, with nothing of this checkout in sight."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spec.harness.support.paths import ROOT

BUILT_OF = ("pyproject.toml", "README.md", "LICENSE", "harness")


class Installed:
    """A folder with an installed wheel, which nobody should write to."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(site),
            "PATH": os.pathsep.join([str(site / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",  # as on a terminal: in the order in which it is printed
            "COLUMNS": "120",
            **{f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "PYTEST_ADDOPTS": "-p no:randomly",  # which is ours and prints a line
        }

    def files(self) -> set[Path]:
        """All files below the folder."""
        return set(self.site.rglob("*"))

    def run(self, line: str, folder: Path, timeout: float = 1500) -> tuple[int, str]:
        """Run a line in a shell there; its exit status and all that it prints."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel, built of a copy and installed; nothing is added to it by whoever uses it."""
    copy, site = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    for name in BUILT_OF:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--no-compile", "--target", site, copy], check=True, capture_output=True, timeout=240)
    found = Installed(site)
    before = found.files()
    yield found
    assert found.files() == before
