"""The arguments that several verbs share, each written once."""

import argparse
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import files
from harness.argument_types import parse_device, parse_number_of_seeds, parse_path, parse_seed
from harness.errors import HarnessError
from harness.run import EAGER, NATIVE


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device, a word for `harness.device.device_of`."""
    parser.add_argument(
        "--device",
        type=parse_device,
        default="auto",
        help="auto (default: CUDA if there is one), cpu, cuda or cuda:N",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """--data, a folder for `harness.data.load`."""
    parser.add_argument(
        "--data", type=parse_path, metavar="DIR", help="folder with the MNIST files (default: MNIST_DIR, cache, fetch)"
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """--out, the folder that `harness.jobs` writes to."""
    parser.add_argument(
        "--out", type=parse_path, default="runs", metavar="DIR", help="folder for the run files (default: runs)"
    )


def add_engine(parser: argparse.ArgumentParser, default: str) -> None:
    """--engine and --ray-address, for `harness.jobs.engine_of`."""
    parser.add_argument(
        "--engine",
        choices=["local", "processes", "ray"],
        default=default,
        help=f"where to train: in this process, in one per core or GPU, or on a Ray cluster (default: {default})",
    )
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="a Ray cluster (default: one is started here)")


def add_seeds(parser: argparse.ArgumentParser) -> None:
    """--seeds, how many, or --seed, which; either way `seeds` is the list of them, and seed 0 by default."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--seeds", nargs="+", action=_Count, default=[0], metavar="N", help="how many, 0 to N - 1 (default: 1)"
    )
    add_seed(group, dest="seeds", default=argparse.SUPPRESS)


def add_seed(parser: Any, **more: Any) -> None:
    """--seed, a list of seeds, to a parser or a group of it."""
    parser.add_argument("--seed", nargs="+", type=parse_seed, action=_Seeds, metavar="SEED", help="these seeds", **more)


class _Count(argparse.Action):
    """From how many seeds to the seeds."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: object) -> None:
        if len(values) > 1:
            others = [value for value in values if not value.isdecimal()]
            advice = f"put {others[0]} before it" if others else f"for these seeds: --seed {' '.join(values)}"
            parser.error(f"argument --seeds: one number, how many; {advice}")
        try:
            number = parse_number_of_seeds(values[0])
        except argparse.ArgumentTypeError as error:
            zero = "; for seed 0: --seed 0" if values == ["0"] else ""
            parser.error(f"argument --seeds: {error}{zero}")
        setattr(namespace, self.dest, list(range(number)))


class _Seeds(argparse.Action):
    """A list of seeds, each once; the option may be given again."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: object) -> None:
        before = getattr(namespace, self.dest, None)
        if before is not None and before is not parser.get_default(self.dest):
            values = [*before, *values]
        if len(set(values)) < len(values):
            parser.error("argument --seed: a seed is given twice; each seed counts once")
        setattr(namespace, self.dest, values)


def add_trainer(parser: argparse.ArgumentParser) -> None:
    """--trainer, a word for `harness.training.choice.choose`."""
    parser.add_argument(
        "--trainer",
        choices=["auto", NATIVE, EAGER],
        default="auto",
        help="native (C++, on a CPU, the same numbers on every machine), eager (torch), or auto (default: native where "
        "it can train the step)",
    )


def output_file(path: Path) -> Path:
    """The file that a path leads to, which is the one to replace; found before what is to be written is made.

    Raises HarnessError if none can be written there, or if it leads to what the system keeps: /dev/stdout is a name for
    whatever a shell has opened, and one for everybody on the machine.
    """
    with files.writable(path, "name another file"):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.stat().st_mode):
                raise HarnessError(f"cannot write {path}: it is not a file; name another file")
        *_, place = followed = list(_followed(path))
        if any(map(_SYSTEM.match, map(str, followed))):
            raise HarnessError(f"cannot write {path}: it leads into /dev or /proc; name another file")
        if not place.parent.is_dir():
            raise HarnessError(f"cannot write {path}: there is no such folder; name another file")
    files.probe(place, "name another file")
    return place


_SYSTEM = re.compile("/proc/|/dev/(?!shm/)")


def _followed(path: Path) -> Iterator[Path]:
    """A path that is no loop of links, and where each link leads that it goes through, the file last."""
    path = path.parent.resolve() / path.name
    yield path
    if path.is_symlink():
        yield from _followed(path.parent / path.readlink())
