"""Compare the final test accuracy of two steps, or of one step under two records, seed by seed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from harness import escape, files
from harness.argument_types import parse_path
from harness.commands.console import bare_table, console, say_stale
from harness.discovery import find
from harness.errors import HarnessError
from harness.run import Run
from harness.step import Step

if TYPE_CHECKING:
    from harness.evidence import Comparison
    from harness.evidence.record import Record

UNKNOWN = "not recorded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb `compare`."""
    parser.add_argument("a", metavar="A", help="a step with a record, such as five_steps/step3")
    parser.add_argument("b", metavar="B", nargs="?", help="the step to compare it with")
    parser.add_argument(
        "--against", type=parse_path, metavar="FILE", help="instead of B: another record of A, from another machine say"
    )
    parser.add_argument("--markdown", action="store_true", help='Markdown, as for >> "$GITHUB_STEP_SUMMARY"')


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    from harness.evidence import paired, quantities
    from harness.evidence.record import existing

    if (arguments.b is None) == (arguments.against is None):
        raise HarnessError("name a second step, or a record with --against, and not both")
    a = find(arguments.a)
    b = a if arguments.b is None else find(arguments.b)
    records = existing(a), existing(b) if arguments.against is None else against(a, Path(arguments.against))
    names = a.id, escape.printable(str(arguments.against or b.id))
    ours, theirs = (quantities.values(saved.runs, Run.final_mean) for saved in records)
    comparison = paired(ours, theirs)
    lines = summary(names, comparison)
    if len(comparison.seeds) > 1:
        lines.append(conclusion(names, records))
    lines += [*noise(names, records), *unlike(records, a is b)]
    if arguments.markdown:
        print(markdown(names, comparison, lines))
    else:
        console().print(table(names, comparison))
        print("\n".join(lines))
    say_stale(*dict.fromkeys((a, b)))
    return 0


def against(step: type[Step], path: Path) -> "Record":
    """The record of a step in a file that the user names; HarnessError if it is not one."""
    from harness.evidence import record

    try:
        files.open_regular(path).close()
    except FileNotFoundError as error:
        raise HarnessError(f"--against {path}: there is no such file") from error
    except OSError as error:
        raise HarnessError(f"--against {path}: {error.strerror}") from error
    return record.read_file(path, step)


def rows(comparison: "Comparison") -> list[tuple[str, str, str, str]]:
    """One row per seed: the seed, the final accuracy of both in percent, and the difference in points."""
    pairs = zip(comparison.seeds, comparison.a, comparison.b, strict=True)
    return [(str(seed), f"{a:.3f}", f"{b:.3f}", f"{a - b:+.3f}") for seed, a, b in pairs]


def table(names: tuple[str, str], comparison: "Comparison") -> Table:
    """The pairs, as a table for the terminal."""
    result = bare_table()
    for name in ("seed", *names, "difference"):
        result.add_column(name, justify="right", overflow="fold")
    for row in rows(comparison):
        result.add_row(*row)
    return result


def markdown(names: tuple[str, str], comparison: "Comparison", lines: list[str]) -> str:
    """The whole comparison as Markdown: a headline, the table, and one bullet per line."""
    from harness.report.markdown import table as markdown_table

    a, b = map(escape.markdown, names)
    pairs = markdown_table(("seed", a, b, "difference"), rows(comparison), left=0)
    return "\n".join([f"### {a} against {b}", "", pairs, "", *(f"- {escape.markdown(line)}" for line in lines)])


def summary(names: tuple[str, str], comparison: "Comparison") -> list[str]:
    """What follows from the pairs: the mean difference, and P(A > B)."""
    from harness.evidence.statistics import binomial_interval

    n, difference, (wins, untied) = len(comparison.seeds), comparison.difference, comparison.wins
    if n == 1:
        return [f"Mean difference {difference:+.3f} points. One pair has no interval and decides nothing."]
    a, b = names
    share = f": {binomial_interval(wins, untied):.2f} (exact 95 % interval)" if untied else ""
    return [
        f"Mean difference {difference.estimate:+.3f} points [{difference.low:+.3f}, {difference.high:+.3f}] "
        f"(95 % interval of Student, {n} pairs).",
        f"P({a} > {b}) = {comparison.better.estimate:.2f}, ties counted half. "
        f"Of the {untied} pairs that differ {a} is above in {wins}{share}.",
    ]


def conclusion(names: tuple[str, str], records: "tuple[Record, Record]") -> str:
    """Whether one is an improvement on the other, by the rule of the claims."""
    from harness.claims.about_runs import improves
    from harness.evidence.comparison import MEANINGFUL
    from harness.evidence.statistics import LEAST_RUNS

    (a, b), (ours, theirs) = names, (saved.runs for saved in records)
    for better, than, verdict in ((a, b, improves(ours, theirs)), (b, a, improves(theirs, ours))):
        if verdict.word == "supported":
            counted = " by the number of pairs: some run never learned, or all differ alike"
            return f"{better} is an improvement on {than}{counted if verdict.unit == 'pairs' else ''}."
    return (
        f"Neither is an improvement on the other: that takes {LEAST_RUNS} pairs, a bootstrap interval of P above 0.5 "
        f"that reaches beyond {MEANINGFUL}, and one of the difference that excludes 0; or, where a run never learned, "
        "an exact interval above 0.5."
    )


def noise(names: tuple[str, str], records: "tuple[Record, Record]") -> list[str]:
    """For each: the observed spread over seeds, and the one that the finite test set alone would give."""
    import numpy as np

    from harness.evidence import statistics

    lines = []
    for name, saved in zip(names, records, strict=True):
        missed = [[image for image, _, _ in run.errors] for run in saved.runs if run.errors is not None]
        if len(missed) < 2:
            continue
        last = [run.accuracies()[-1] for run in saved.runs if run.errors is not None]
        expected = statistics.independent_spread(missed)
        lines.append(
            f"{name}: after the last epoch {len(last)} seeds spread by {np.std(last, ddof=1):.3f} points; "
            f"images missed independently of each other would make it {expected:.3f}; one test accuracy has a binomial "
            f"standard error of {statistics.standard_error(float(np.mean(last))):.3f}."
        )
    return lines


def unlike(records: "tuple[Record, Record]", same_step: bool) -> list[str]:
    """One line per difference in provenance; for two records of one step also in network, recipe and epochs."""
    from harness.provenance import comparable

    a, b = ({**saved.provenance, "epochs": lengths(saved)} for saved in records)
    their_own = () if same_step else ("fingerprint", "epochs")
    other = [
        key for key in dict.fromkeys([*comparable(a, b), "epochs"]) if key not in their_own and a.get(key) != b.get(key)
    ]
    words = {"fingerprint": "network or recipe"}
    return [f"They differ in {words.get(key, key)}: {a.get(key, UNKNOWN)} and {b.get(key, UNKNOWN)}." for key in other]


def lengths(saved: "Record") -> str:
    """How many epochs the runs of a record have; several numbers where they are not of one length."""
    return ", ".join(map(str, sorted({len(run.epochs) for run in saved.runs})))
