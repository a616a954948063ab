"""The arithmetic along one axis, against brute force: following every tap of every layer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.receptive_field.lattice import Lattice, members, pixels, sliding, transposed

QUICK = settings(max_examples=200, deadline=None)
KERNELS = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(0, 4), st.integers(1, 4))


@QUICK
@given(st.lists(KERNELS, min_size=1, max_size=5), st.integers(0, 50))
def test_the_three_formulas_count_what_brute_force_counts(layers: list[tuple[int, int, int, int]], unit: int) -> None:
    """Size, stride and padding of a chain, against following every tap of every layer back to the input."""
    lattice = pixels(1)
    for layer in layers:
        lattice = lattice.through(sliding(*layer), 1)
    reached = {unit}
    for kernel, stride, padding, dilation in reversed(layers):
        reached = {i * stride - padding + t * dilation for i in reached for t in range(kernel)}
    size, stride, padding = 1, 1, 0
    for k, s, p, d in layers:
        size, stride, padding = size + d * (k - 1) * stride, stride * s, padding + p * stride
    assert max(reached) - min(reached) + 1 == size == lattice.reach(unit)[1].bit_length()
    assert lattice.jump == stride
    assert min(reached) == unit * stride - padding == lattice.reach(unit)[0]
    low, mask = lattice.reach(unit)
    assert sorted(reached) == [low + i for i in members(mask)]


@QUICK
@given(KERNELS, st.integers(1, 12))
def test_transposed_convolution_reads_whoever_writes(layer: tuple[int, int, int, int], length: int) -> None:
    kernel, stride, padding, dilation = layer
    outputs = (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
    if outputs < 1:
        return
    lattice = pixels(length).through(transposed(*layer), outputs)
    for output in range(outputs):
        writers = {i for i in range(length) for t in range(kernel) if i * stride - padding + t * dilation == output}
        assert set(members(lattice.clipped[output])) == writers


def test_a_lattice_covers_one_with_another_period_if_each_unit_reads_as_much() -> None:
    every = Lattice((0b1,), ((0, 0b1),), 1, 1)  # unit i reads i
    odd = Lattice((0b1,), ((0, 0b1), (1, 0b11)), 2, 1)  # and odd units also the one behind it
    assert odd.covers(every)
    assert not every.covers(odd)
