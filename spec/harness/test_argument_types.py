"""What is typed after an option: the largest values that mean something, and none beyond."""

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from harness.argument_types import parse_number_of_seeds, parse_positive, parse_seed

LARGEST = [
    (parse_seed, 9223372036854775807),  # a signed whole number of 64 bits, as files keep it
    (parse_positive, 2147483647),  # one of 32 bits, as a recipe has it
    (parse_number_of_seeds, 100000),
]


@pytest.mark.parametrize(("parse", "largest"), LARGEST)
def test_the_largest_is_taken_and_one_more_is_refused(parse: Callable[[str], int], largest: int) -> None:
    assert parse(str(largest)) == largest
    with pytest.raises(ArgumentTypeError, match=f"^{largest + 1} is too large; the largest is {largest}$"):
        parse(str(largest + 1))


@pytest.mark.parametrize(("parse", "largest"), LARGEST)
def test_zeros_before_a_number_do_not_make_it_large(parse: Callable[[str], int], largest: int) -> None:
    assert parse("0" * 5000 + "7") == 7
    assert parse(f"0{largest}") == largest
    with pytest.raises(ArgumentTypeError, match="too large"):
        parse("0" * 5000 + "9" * 5000)


def test_many_zeros_are_the_seed_zero() -> None:
    assert parse_seed("0" * 20) == 0
