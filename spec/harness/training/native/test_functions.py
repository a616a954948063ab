"""exp, log, sine, cosine and random words of the kernels, against decimals of 40 digits and published vectors."""

import ctypes
import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest

from harness.training.native import library
from spec.harness.training.native.compilers import needs_compiler
from spec.harness.training.native.philox import philox

pytestmark = needs_compiler

PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923")


def distance(found: float, exact: Decimal) -> float:
    """How far a number is from the exact one, in units of its last place."""
    return float(abs(Decimal(found) - exact) / Decimal(math.ulp(float(exact))))


def sine(x: Decimal) -> Decimal:
    """The sine of |x| < 1 by its series."""
    term = total = x
    for n in range(2, 40, 2):
        term *= -x * x / (n * (n + 1))
        total += term
    return total


def cosine(x: Decimal) -> Decimal:
    """The cosine of |x| < 1 by its series."""
    term = total = Decimal(1)
    for n in range(1, 40, 2):
        term *= -x * x / (n * (n + 1))
        total += term
    return total


def circle(turns: float) -> tuple[Decimal, Decimal]:
    """Sine and cosine of an angle in turns."""
    quarters = (4 * Decimal(turns)).to_integral_value()
    x = 2 * PI * (Decimal(turns) - quarters / 4)
    s, c = sine(x), cosine(x)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) % 4]


def exponents() -> list[float]:
    random = np.random.default_rng(0)
    halves = [k * math.log(2) / 2 for k in range(-40, 41)]  # where the series is longest, and where it changes
    near = [math.nextafter(x, side) for x in halves for side in (-math.inf, math.inf)]
    drawn = [*random.uniform(-700, 700, 1000), *random.uniform(-20, 0, 1000), *random.uniform(-1e-3, 1e-3, 200)]
    return [0.0, -0.0, 1.0, -1.0, 5e-324, -1e-300, 1e-17, 700.0, -699.9999, *halves, *near, *drawn]


def test_exp_is_exact_up_to_the_last_places() -> None:
    exponential = library.load().exponential
    with localcontext(prec=40):
        assert max(distance(exponential(x), Decimal(x).exp()) for x in exponents()) < 2


def test_exp_beyond_its_range() -> None:
    exponential = library.load().exponential
    assert exponential(0.0) == 1
    assert [exponential(x) for x in (-700.0, -701.0, -1e300, -math.inf)] == [0, 0, 0, 0]
    assert [exponential(x) for x in (700.1, 1e300, math.inf)] == [math.inf] * 3
    assert math.isnan(exponential(math.nan))


def test_log_is_exact_up_to_the_last_places() -> None:
    logarithm = library.load().logarithm
    random = np.random.default_rng(0)
    edges = [2.0**k * root for k in (-1022, -53, -2, -1, 0, 1, 10, 1023) for root in (1, math.sqrt(2) * (1 - 1e-16))]
    drawn = [*random.uniform(0, 1, 1000), *np.exp(random.uniform(-700, 700, 1000)), *random.uniform(1, 11, 1000)]
    with localcontext(prec=40):
        for x in (*edges, *drawn):
            exact = Decimal(float(x)).ln()
            # next to 1 the logarithm is next to 0, and a unit in the last place is as small as one likes
            assert abs(Decimal(logarithm(x)) - exact) < 2 * Decimal(max(math.ulp(float(exact)), 2.0**-53)), x
    assert logarithm(1.0) == 0
    for nan in (math.nan, -math.nan):  # of which a processor may make either
        assert math.isnan(logarithm(nan))


def angles() -> list[float]:
    random = np.random.default_rng(0)
    eighths = [k / 8 for k in range(-16, 17)]
    near = [math.nextafter(x, side) for x in eighths for side in (-math.inf, math.inf)]
    return [*eighths, *near, 1e-300, *random.uniform(-1, 1, 2000).tolist(), *random.uniform(-1e-6, 1e-6, 200).tolist()]


def turn(turns: float) -> tuple[float, float]:
    s, c = ctypes.c_double(), ctypes.c_double()
    library.load().sine_cosine(turns, ctypes.byref(s), ctypes.byref(c))
    return s.value, c.value


def test_sine_and_cosine_are_exact_up_to_the_last_places() -> None:
    with localcontext(prec=40):
        for turns in angles():
            for found, exact in zip(turn(turns), circle(turns), strict=True):
                assert found == 0 if exact == 0 else distance(found, exact) < 4, turns


def test_quarters_of_a_turn_are_exact() -> None:
    assert [turn(k / 4) for k in range(4)] == [(0, 1), (1, 0), (0, -1), (-1, 0)]
    assert turn(-0.25) == (-1, 0)


def words(counter: tuple[int, ...], seed: int) -> list[int]:
    given, drawn = (ctypes.c_uint32 * 4)(*counter), (ctypes.c_uint32 * 4)()
    library.load().words(given, seed, drawn)
    return list(drawn)


ALL = 0xFFFFFFFF
KNOWN = [  # of philox4x32 with 10 rounds in kat_vectors of Random123: counter, key, words
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL, ALL, ALL, ALL), (ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
@pytest.mark.parametrize("draw", [words, lambda counter, seed: numpy_words(counter, seed)], ids=["kernels", "numpy"])
def test_words_are_those_of_random123(
    draw: Callable[[tuple[int, ...], int], list[int]],
    counter: tuple[int, ...],
    key: tuple[int, int],
    expected: tuple[int, ...],
) -> None:
    low, high = key
    assert draw(counter, high << 32 | low) == list(expected)


def numpy_words(counter: tuple[int, ...], seed: int) -> list[int]:
    """The words of the generator that the tests of randomness compare with."""
    return [int(word) for word in philox(*counter, seed=seed)]
