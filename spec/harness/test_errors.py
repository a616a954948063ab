"""Whatever a user's own code raises is one printable line that says whose it is, what raised it, and where."""

import json
import pickle

import pytest
import torch

from harness.errors import Failures, ForeignError, HarnessError, described, foreign, foreign_call


class _WordlessError(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class _OwnError(BaseException):
    """Of a user, and not an Exception."""


def raised_by(error: BaseException) -> str:
    """The line that is shown for an exception out of a user's code."""
    with pytest.raises(ForeignError) as caught, foreign("its forward pass", "mine/tiny, seed 3"):
        raise error
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (AttributeError("no layer"), "AttributeError: no layer"),
        (SystemExit(0), "SystemExit: 0"),
        (SystemExit(), "SystemExit"),
        (MemoryError(), "MemoryError"),
        (StopIteration("at the end"), "StopIteration: at the end"),
        (_WordlessError(), "_WordlessError"),
        (_OwnError("own"), "_OwnError: own"),
        (ValueError("\n\n first\nsecond"), "ValueError: first"),
        (ValueError("\x1b[31mred\x07"), r"ValueError: \x1b[31mred\x07"),
        (ValueError("\udcff"), r"ValueError: \udcff"),
        (ValueError("x" * 10_000), f"ValueError: {'x' * 300}"),
    ],
)
def test_an_exception_is_one_line_with_its_type_and_its_place(error: BaseException, words: str) -> None:
    start = f"mine/tiny, seed 3: its forward pass raised {words} (test_errors.py, line "
    line = raised_by(error)
    assert line.startswith(start)
    assert line.removeprefix(start).rstrip(")").isdecimal()


def test_of_boundaries_within_each_other_the_innermost_says_what_and_the_outermost_whose() -> None:
    outer, inner = foreign("its recipe", "mine/tiny, seed 3"), foreign("its constructor", "mine/tiny")
    with pytest.raises(ForeignError) as caught, outer, foreign("its forward pass"), inner:
        raise KeyError("x")
    assert str(caught.value).startswith("mine/tiny, seed 3: its constructor raised KeyError: 'x' (")
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_called_code_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def chatty() -> None:
        print("a shape")
        raise KeyError("x")

    with pytest.raises(ForeignError, match="^mine/tiny: its "), foreign_call("its forward pass", "mine/tiny"):
        chatty()
    print("a result")
    assert capsys.readouterr() == ("a result\n", "a shape\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), HarnessError("of ours")])
def test_an_interrupt_and_our_own_errors_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, foreign("its recipe", "mine/tiny"):
        raise error
    assert caught.value is error


def test_a_recursion_without_end_is_one_line() -> None:
    def deeper() -> None:
        deeper()

    message = "^it raised RecursionError: maximum recursion depth exceeded"
    with pytest.raises(ForeignError, match=message), foreign("it"):
        deeper()


def test_the_place_is_in_the_code_of_the_user_and_not_in_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(2, 3)(torch.zeros(1, 4))
    assert described(caught.value).rpartition(" (")[2].startswith("test_errors.py, line ")


def test_no_place_is_named_where_no_line_of_the_user_is_known() -> None:
    """A line of json, of a package or of ours would be taken for one of the user's."""
    with pytest.raises(ValueError, match="Expecting value") as caught:
        json.loads("x")
    assert described(caught.value).rpartition(" (")[2].startswith("test_errors.py, line ")
    error = caught.value.with_traceback(caught.tb.tb_next)
    assert described(error) == "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"


def test_a_syntax_error_names_its_own_place_alone() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("1 +", "mine.py", "exec")
    assert described(caught.value) == "SyntaxError: invalid syntax (mine.py, line 1)"


def test_a_foreign_error_can_be_sent_to_another_process() -> None:
    with pytest.raises(ForeignError) as caught, foreign("its recipe", "mine/tiny"):
        raise KeyError("x")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_failures_stop_nothing_and_are_one_error_in_the_end_each_once() -> None:
    done = []

    def check(number: int) -> None:
        if number % 2:
            raise HarnessError("odd")
        done.append(number)

    def check_all() -> None:
        with Failures(["before"]) as failures:
            for number in range(4):
                with failures.go_on():
                    check(number)
            failures.add("noted")
            raise HarnessError("the last")

    with pytest.raises(HarnessError, match="^before; odd; noted; the last$"):
        check_all()
    assert done == [0, 2]


def test_what_is_no_failure_passes_as_it_is_with_what_was_wrong_before() -> None:
    with pytest.raises(KeyboardInterrupt) as interruption, Failures(["before"]):
        raise KeyboardInterrupt
    assert interruption.value.__notes__ == ["before"]
    with pytest.raises(ValueError, match="^a fault$"), Failures() as failures, failures.go_on():
        raise ValueError("a fault")
    with Failures() as failures, failures.go_on():
        pass
    assert failures.messages == []
