"""Dropout: the rate is exact, elements are independent, and all else is as in `torch.nn.Dropout`."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from harness.training import dropout
from harness.training.dropout import Dropout, FromCounters, FromGenerators, mask
from spec.harness.training import plain
from spec.harness.training.native import philox

RATES = [0.01, 0.031, 1 / 32, 0.043, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.9]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by(*seeds: int) -> FromGenerators:
    return FromGenerators([seeded(seed) for seed in seeds])


def dropped(rate: float, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Where the mask is zero."""
    return mask(torch.empty(shape), rate, seeded(seed)) == 0


@pytest.mark.parametrize("rate", RATES)
def test_as_many_are_dropped_as_the_rate_says(rate: float) -> None:
    n = 2_000_000
    count = int(dropped(rate, (n,)).sum())
    # Exact test of Binomial(n, rate). A rate rounded to 1/256 would be off by dozens of deviations for most of these.
    assert stats.binomtest(count, n, rate).pvalue > 1e-4


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lag", [1, 2, 7, 8, 64, 1000])
def test_an_element_tells_nothing_of_another(rate: float, lag: int) -> None:
    zeros = dropped(rate, (1_000_000,), seed=lag).double()
    correlation = ((zeros[lag:] - rate) * (zeros[:-lag] - rate)).mean() / (rate * (1 - rate))
    assert abs(float(correlation)) < 4.5 / math.sqrt(len(zeros) - lag)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_gaps_between_the_dropped_are_geometric(rate: float) -> None:
    (indices,) = torch.nonzero(dropped(rate, (1_000_000,)), as_tuple=True)
    gaps = indices.diff()
    longest = int(4 / rate)
    seen = torch.bincount(gaps.clamp(max=longest + 1), minlength=longest + 2)[1:]
    law = stats.geom(rate)
    expected = [law.pmf(gap) for gap in range(1, longest + 1)] + [law.sf(longest)]
    assert stats.chisquare(seen.numpy(), [len(gaps) * share for share in expected]).pvalue > 1e-4


def test_every_place_is_dropped_as_often() -> None:
    counts = sum(dropped(0.05, (37,), seed).long() for seed in range(4000))
    assert isinstance(counts, torch.Tensor)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("rate", [0.02, 0.25])
def test_what_is_kept_is_scaled_and_the_gradient_masked_alike(rate: float) -> None:
    layer = Dropout(rate, by(0))
    images = torch.randn(8, 3, 10, 10).to(memory_format=torch.channels_last).requires_grad_()
    output = layer(images)
    output.sum().backward()
    assert images.grad is not None
    kept = output != 0
    torch.testing.assert_close(output[kept], images[kept] / (1 - rate))
    torch.testing.assert_close(images.grad, kept / (1 - rate))
    assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_ends_of_the_scale_are_those_of_torch(rate: float) -> None:
    images = torch.randn(4, 5)
    assert torch.equal(Dropout(rate, by(0))(images), nn.Dropout(rate)(images))


def test_the_layout_of_the_input_does_not_change_what_is_dropped() -> None:
    images = torch.randn(3, 4, 5, 6)
    rows, pixels = images, images.to(memory_format=torch.channels_last)
    assert torch.equal(mask(rows, 0.3, seeded(3)), mask(pixels, 0.3, seeded(3)))


@pytest.mark.parametrize("rate", RATES)
def test_maps_are_masked_pixel_by_pixel_and_anything_else_in_the_order_of_its_elements(rate: float) -> None:
    expected = plain.mask((7, 27), rate, seeded(2))
    maps = mask(torch.empty(7, 3, 3, 3, dtype=torch.float64), rate, seeded(2))
    assert maps.permute(0, 2, 3, 1).flatten().tolist() == pytest.approx(expected.flatten().tolist(), rel=1e-12)
    for shape in [(7, 27), (3, 9, 7), (189,), (7, 3, 1, 3, 3)]:
        others = mask(torch.empty(shape, dtype=torch.float64), rate, seeded(2))
        assert others.flatten().tolist() == pytest.approx(expected.flatten().tolist(), rel=1e-12)


def test_where_it_acts_in_place_the_input_itself_is_masked_and_so_is_its_gradient() -> None:
    layer = nn.Dropout(0.25, inplace=True)
    dropout.replace(layer, by(3))
    weights = torch.ones(64, 100, requires_grad=True)
    activations = weights * 2
    assert layer(activations) is activations
    dropped = activations == 0
    assert 0.2 < dropped.double().mean() < 0.3
    assert torch.equal(activations[~dropped], torch.full((int((~dropped).sum()),), 2 / 0.75))
    activations.sum().backward()
    assert weights.grad is not None
    assert torch.equal(weights.grad == 0, dropped)
    several = nn.Dropout(0.25, inplace=True)
    dropout.replace(several, by(3, 4))
    given = torch.ones(2, 64, 100)
    assert torch.equal(torch.vmap(several, randomness="different")(given), given)
    assert (given == 0).any()


def test_it_is_off_in_evaluation() -> None:
    images = torch.randn(4, 5)
    assert Dropout(0.5, by(0)).eval()(images) is images


def test_two_draws_differ_and_a_seed_repeats_them() -> None:
    layer, again = Dropout(0.3, by(5)), Dropout(0.3, by(5))
    ones = torch.ones(1000)
    first, second = layer(ones), layer(ones)
    assert not torch.equal(first, second)
    assert torch.equal(again(ones), first)
    assert torch.equal(again(ones), second)


class Own(nn.Dropout):
    """A dropout that somebody changed."""


def test_it_takes_the_place_of_every_dropout_and_of_nothing_else() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), Own(0.4))
    model = nn.Sequential(nn.Dropout(0.1), inner, nn.Dropout2d(0.3)).eval()
    dropout.replace(model, by(0))
    assert [(type(layer), getattr(layer, "p", None)) for layer in model.modules() if not list(layer.children())] == [
        (Dropout, 0.1),
        (nn.Linear, None),
        (Dropout, 0.2),
        (Own, 0.4),
        (nn.Dropout2d, 0.3),
    ]
    assert not any(layer.training for layer in model.modules())


def test_it_drops_wherever_forward_finds_the_layer() -> None:
    """In a list of Python, and where one layer stands twice; a hook of it stays."""

    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)
            self.layers = [self.drop, nn.Flatten()]

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                images = layer(images)
            return images

    seen = list[nn.Module]()
    listed, twice = Listed(), nn.Sequential(*[nn.Dropout(0.5)] * 2)
    listed.drop.register_forward_hook(lambda layer, *_: seen.append(layer))
    ones, generator = torch.ones(8, 27), seeded(2)
    once, again = plain.mask((8, 27), 0.5, generator), plain.mask((8, 27), 0.5, generator)
    for model, expected in ((listed, once), (twice, once * again)):
        dropout.replace(model, by(2))
        assert model(ones).tolist() == expected.tolist()
        assert torch.equal(model.eval()(ones), ones)
    assert seen == [listed.drop] * 2


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_second_forward_pass_by_a_checkpoint_has_no_other_mask(reentrant: bool) -> None:
    """Whose gradients would not be those of the first: torch restores the generators that it knows."""
    images = torch.randn(8, 27, requires_grad=True)
    layer = Dropout(0.5, by(1))
    output = checkpoint(lambda maps: layer(maps).relu(), images, use_reentrant=reentrant)
    with pytest.raises(RuntimeError, match=r"use F\.dropout within it"):
        output.sum().backward()
    output = checkpoint(lambda maps: F.dropout(maps, 0.5).relu(), images, use_reentrant=reentrant)
    output.sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad != 0, output != 0)


def test_stacked_networks_draw_what_each_would_alone() -> None:
    images = torch.ones(3, 50, 4)
    together = torch.vmap(Dropout(0.3, by(1, 2, 3)))(images)
    alone = [Dropout(0.3, by(seed))(images[0]) for seed in (1, 2, 3)]
    assert torch.equal(together, torch.stack(alone))


def test_what_is_kept_on_a_gpu_is_scaled_and_the_gradient_masked_alike() -> None:
    """Drawn on the CPU, by what a GPU draws by, for networks alone and together."""
    step = torch.tensor(4)
    images = torch.randn(3, 20, 4, 5, 5, dtype=torch.float64).requires_grad_()
    together = torch.vmap(Dropout(0.3, FromCounters([1, 2, 3], step)))(images)
    together.sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(together, images * images.grad, rtol=1e-12, atol=0)
    assert set(images.grad.unique().tolist()) == {0.0, 1 / 0.7}
    assert stats.binomtest(int((images.grad == 0).sum()), images.numel(), 0.3).pvalue > 1e-4
    for number, (seed, image) in enumerate(zip((1, 2, 3), images.detach(), strict=True)):
        image.requires_grad_()
        output = Dropout(0.3, FromCounters([seed], step))(image)
        output.sum().backward()
        assert torch.equal(output, together[number])
        assert torch.equal(image.grad, images.grad[number])


def test_all_is_dropped_on_a_gpu_at_the_end_of_the_scale() -> None:
    images = torch.randn(4, 5, requires_grad=True)
    output = Dropout(1.0, FromCounters([1], torch.tensor(0)))(images)
    output.sum().backward()
    assert images.grad is not None
    assert not output.any()
    assert not images.grad.any()


def test_each_layer_and_step_has_a_mask_of_its_own_and_a_step_taken_again_the_same() -> None:
    ones, step = torch.ones(10, 100), torch.tensor(7)
    layer = Dropout(0.5, FromCounters([5], step))

    def of_a_step(number: int) -> list[torch.Tensor]:
        step.fill_(number)
        layer.masks.begin()
        return [layer(ones), layer(ones)]

    first, second = of_a_step(7), of_a_step(8)
    assert len({tuple(mask.flatten().tolist()) for mask in [*first, *second]}) == 4
    assert all(map(torch.equal, of_a_step(7), first))


@pytest.mark.parametrize(("shape", "network"), [((6, 3, 5, 5), 0), ((6, 3, 5, 5), 2), ((7, 13), 1), ((9,), 1)], ids=str)
def test_what_a_gpu_keeps_is_what_philox_of_numpy_says(shape: tuple[int, ...], network: int) -> None:
    seeds = (3, 2**64 - 7, 2**40 + 5)
    masks = FromCounters(seeds, torch.tensor(2**32 + 1000))
    inputs = torch.empty(shape[0], 3, *shape[1:])
    for layer, rate in enumerate((0.25, 0.031, 0.9)):
        drawn = masks.draw(inputs, rate)[:, network]
        assert torch.equal(drawn, philox.kept(rate, shape, seed=seeds[network], step=1000, unit=layer))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_keeps_what_the_cpu_would() -> None:
    for shape in [(64, 16, 10, 26, 26), (5, 3, 7, 3, 3), (33, 1, 410)]:
        on_cpu, on_gpu = (FromCounters(range(shape[1]), torch.tensor(9, device=device)) for device in ("cpu", "cuda"))
        for rate in (0.05, 0.3):
            inputs = torch.empty(shape)
            assert torch.equal(on_gpu.draw(inputs.cuda(), rate).cpu(), on_cpu.draw(inputs, rate))
