"""A spec that pytest runs is a step of a ladder: else its rules would be skipped with every test green."""

from collections.abc import Callable

import pytest

from spec.harness.plugin.tiny_ladder import SPEC, Ladder
from spec.harness.plugin.tiny_ladder import ladder as ladder
from spec.harness.support.other_spec import hide_ours

RULED = SPEC.partition("    test_throughput")[0]
SECOND = f'{RULED}    follows = "mine/tiny"\n'
ONE = "from harness.ladder import Rules\nRULES = Rules(parameters={parameters}, branches={branches})\n"
PLACE = "is no place where a step is found; make it spec/<ladder>/test_<nn>_<step>.py with an __init__.py"

Run = Callable[[dict[str, str]], pytest.RunResult]


@pytest.fixture
def run(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Write these files into spec/, seen in place of ours, and run the tests of the rules there."""
    hide_ours(monkeypatch)
    ladder.pytester.syspathinsert()

    def made(files: dict[str, str]) -> pytest.RunResult:
        for name, text in {"__init__.py": "", **files}.items():
            path = ladder.pytester.path / "spec" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return ladder.pytester.runpytest_inprocess("-p", "no:logging", "spec", "-k", "test_rules")

    return made


def test_the_rules_of_a_ladder_in_its_place_are_checked(run: Run) -> None:
    files = {"mine/__init__.py": ONE.format(parameters=100, branches={}), "mine/test_01_tiny.py": RULED}
    run(files).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("files", "failed", "message"),
    [
        ({"my-ladder/__init__.py": "", "my-ladder/test_01_tiny.py": RULED}, 1, f"*my-ladder/test_01_tiny.py {PLACE}*"),
        ({"mine/__init__.py": "", "mine/more/test_01_tiny.py": RULED}, 1, f"*mine/more/test_01_tiny.py {PLACE}*"),
        ({"harness/__init__.py": "", "harness/test_01_tiny.py": RULED}, 1, f"*harness/test_01_tiny.py {PLACE}*"),
        ({"mine/test_01_tiny.py": RULED}, 1, "*spec/mine has no __init__.py, without which no step in it is found;*"),
        (
            {
                "mine/__init__.py": "",
                "mine/test_01_tiny.py": RULED,
                "mine/test_02_last.py": SECOND.replace("TestTiny", "Last"),
            },
            1,
            "pytest would not test spec.mine.test_02_last.Last; *",
        ),
        (
            {
                "mine/__init__.py": "",
                "mine/test_01_tiny.py": SECOND,
                "build/__init__.py": "",
                "build/test_01_a.py": RULED,
            },
            1,
            "spec.build.test_01_a holds a spec, and pytest searches no folder of that name; give it another name",
        ),
        (
            {
                "mine/__init__.py": "",
                "mine/test_01_tiny.py": f'{RULED}    follows = "mine/b"\n',
                "mine/test_02_b.py": SECOND,
            },
            2,
            "steps follow or learn from each other in a circle, mine/* -> mine/* -> mine/*; correct *",
        ),
    ],
    ids=["dash", "nested", "harness", "no package", "not collected", "not searched", "circle"],
)
def test_a_spec_that_no_ladder_has_fails_in_one_line(
    run: Run, files: dict[str, str], failed: int, message: str
) -> None:
    result = run(files)
    result.assert_outcomes(failed=failed)
    result.stdout.fnmatch_lines(["*TestTiny.test_rules*", message])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("RULES = None", "RULES in spec/mine/__init__.py must be Rules(...), not None"),
        ("RULES = {'parameters': 9}", "RULES in spec/mine/__init__.py must be Rules(...), not {'parameters': 9}"),
        (
            "from harness.ladder import Rules as RULES",
            "RULES in spec/mine/__init__.py must be Rules(...), not <class *>",
        ),
        (
            ONE.format(parameters=100, branches={"mine/tiny": 99}),
            "no step mine/tiny ends a branch or claims the goal: correct the step, or RULES in spec/mine/__init__.py",
        ),
        (ONE.format(parameters=99, branches={}), "mine/last has 100 parameters: correct the step, or RULES in *"),
        (ONE.format(parameters=100, branches={"mine/last": 99}), "mine/last has 100 parameters: correct *"),
    ],
)
def test_rules_that_are_broken_or_are_none_fail_the_last_step(run: Run, rules: str, message: str) -> None:
    result = run({"mine/__init__.py": rules, "mine/test_01_tiny.py": RULED, "mine/test_02_last.py": SECOND})
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*TestTiny.test_rules*", message])
