"""Augmentation: images are those of torchvision for the same parameters, and every image has its own parameters."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kstest
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as vision
from torchvision.transforms.functional import elastic_transform

from harness.recipe import Normalize, RandomAffine, RandomDistortion, Recipe
from harness.training.augmentation import prepare
from harness.training.augmentation.affine import Affine, Distortion, draw
from harness.training.augmentation.draws import Draws
from harness.training.augmentation.warp import warp_image, warp_tensor

N = 200


def draws(n: int, seed: int = 0) -> Draws:
    return Draws([torch.Generator().manual_seed(seed)], n)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Noise, in which a pixel that is off by one is noticed."""
    return torch.randint(0, 256, (N, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def affine() -> Affine:
    """Angles up to 25 degrees, shifts up to 3 pixels, scales up to 15 % from 1."""
    transform = RandomAffine(degrees=25, translate=3 / 28, scale=(0.85, 1.15))
    return draw(transform, (28, 28), draws(N, seed=1))


def turned(affine: Affine) -> Affine:
    """The same angles without shift and scale."""
    return Affine(affine.angle, torch.zeros_like(affine.shift), torch.ones_like(affine.scale))


def test_rotation_of_8_bit_images_is_that_of_pil_bit_for_bit(images: Tensor, affine: Affine) -> None:
    ours = warp_image(images, turned(affine), fill=1)
    for image, angle, turned_image in zip(images, affine.angle.tolist(), ours, strict=True):
        expected = vision.rotate(Image.fromarray(image.numpy()), angle, fill=1)
        assert np.array_equal(np.asarray(expected), turned_image.numpy())


def test_affine_of_8_bit_images_is_that_of_pil_bit_for_bit(images: Tensor, affine: Affine) -> None:
    ours = warp_image(images, affine, fill=9)
    for k in range(N):
        # torchvision turns clockwise in `affine` and counter-clockwise in `rotate`
        expected = vision.affine(
            Image.fromarray(images[k].numpy()),
            -affine.angle[k].item(),
            [int(shift) for shift in affine.shift[k]],
            affine.scale[k].item(),
            [0.0, 0.0],
            fill=9,
        )
        assert np.array_equal(np.asarray(expected), ours[k].numpy())


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_affine_of_tensors_is_that_of_torchvision(interpolation: str, affine: Affine) -> None:
    floats = torch.randn(N, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    ours = warp_tensor(floats, affine, 0.0, interpolation)
    expected = torch.stack(
        [
            vision.affine(
                floats[k],
                -affine.angle[k].item(),
                [int(shift) for shift in affine.shift[k]],
                affine.scale[k].item(),
                [0.0, 0.0],
                InterpolationMode(interpolation),
            )
            for k in range(N)
        ]
    )
    # Rounding may choose another nearest neighbour where a source is on the border of two pixels: 2 in 100,000.
    differing = (ours - expected).abs() > 1e-4
    assert differing.float().mean() <= (2e-5 if interpolation == "nearest" else 0)


def test_beyond_the_edge_is_the_fill() -> None:
    shift = Affine(torch.zeros(1), torch.tensor([[30.0, 0.0]]), torch.ones(1))
    assert warp_image(torch.full((1, 28, 28), 200, dtype=torch.uint8), shift, fill=7).eq(7).all()
    away = warp_tensor(torch.ones(1, 1, 28, 28), shift, -0.5, "bilinear")
    torch.testing.assert_close(away, torch.full_like(away, -0.5))


def test_the_same_image_twice_in_a_batch_comes_out_different() -> None:
    image = torch.randint(0, 256, (1, 28, 28), dtype=torch.uint8).expand(2, 28, 28)
    recipe = Recipe(lr=1, batch_size=2, epochs=1, augmentation=RandomAffine(degrees=20))
    first, second = prepare(image, recipe, [torch.Generator().manual_seed(0)])
    assert not torch.equal(first, second)


def test_parameters_are_uniform_in_their_ranges_and_independent() -> None:
    drawn = draw(RandomAffine(degrees=7, translate=0.1, scale=(0.9, 1.1)), (28, 28), draws(20_000))
    assert kstest(drawn.angle.numpy(), "uniform", (-7, 14)).pvalue > 1e-3
    assert kstest(drawn.scale.numpy(), "uniform", (0.9, 0.2)).pvalue > 1e-3
    assert drawn.shift.unique().tolist() == [-3, -2, -1, 0, 1, 2, 3]
    together = torch.stack([drawn.angle, drawn.scale, *drawn.shift.T])
    assert torch.corrcoef(together).fill_diagonal_(0).abs().max() < 0.03


def test_parameters_are_drawn_in_double_precision() -> None:
    drawn = draw(RandomDistortion(degrees=7, elastic=0.5, on="tensor"), (28, 28), draws(5))
    assert isinstance(drawn, Distortion)
    assert {part.dtype for part in vars(drawn).values()} == {torch.float64}
    unit = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(drawn.angle, -7 + 14 * unit)


def test_the_same_generator_gives_the_same_batch(images: Tensor) -> None:
    recipe = Recipe(lr=1, batch_size=2, epochs=1, augmentation=RandomAffine(degrees=20))
    first, second = (prepare(images, recipe, [torch.Generator().manual_seed(4)]) for _ in range(2))
    assert torch.equal(first, second)


def test_normalization_is_that_of_the_recipe(images: Tensor) -> None:
    recipe = Recipe(lr=1, batch_size=2, epochs=1, normalize=Normalize(0.1309, 0.3084))
    prepared = prepare(images[:1], recipe, [torch.Generator()])
    assert prepared[0, 0, 3, 5].item() == pytest.approx((images[0, 3, 5].item() / 255 - 0.1309) / 0.3084, abs=1e-6)


def distorted(**changes: Tensor) -> Distortion:
    """Parameters of N images: the identity, but for `changes`."""
    none = {
        "angle": torch.zeros(N),
        "shift": torch.zeros(N, 2),
        "scale": torch.ones(N),
        "shear": torch.zeros(N),
        "displacement": torch.zeros(N, 2, 4, 4),
    }
    return Distortion(**{name: changes.get(name, value).double() for name, value in none.items()})


def test_a_shear_is_that_of_torchvision(images: Tensor) -> None:
    floats = images[:, None].float()
    shear = torch.linspace(-0.3, 0.3, N)
    ours = warp_tensor(floats, distorted(shear=shear), 0.0, "bilinear")
    for k in range(N):
        degrees = [math.degrees(math.atan(shear[k])), 0.0]
        expected = vision.affine(floats[k], 0.0, [0, 0], 1.0, degrees, InterpolationMode.BILINEAR)
        # a coordinate that is rounded otherwise in float32 moves a pixel of noise by some ten thousandths
        torch.testing.assert_close(ours[k], expected, atol=0.05, rtol=0)


def test_a_displacement_is_that_of_torchvision(images: Tensor) -> None:
    floats = images[:20, None].float()
    points = torch.randn(20, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    affine = Distortion(*(part[:20] for part in vars(distorted()).values()))
    ours = warp_tensor(floats, replace(affine, displacement=points.double()), 0.0, "bilinear")
    for k in range(20):
        field = F.interpolate(points[k : k + 1], size=28, mode="bicubic", align_corners=False)
        displacement = field.permute(0, 2, 3, 1) * 2 / 28
        expected = elastic_transform(floats[k], displacement, InterpolationMode.BILINEAR, fill=None)
        torch.testing.assert_close(ours[k], expected, atol=0.05, rtol=0)


def test_distortions_are_as_large_as_asked_for_and_each_image_has_its_own() -> None:
    transform = RandomDistortion(degrees=8, shear=0.1, elastic=0.5, on="tensor")
    drawn = draw(transform, (28, 28), draws(2000))
    assert isinstance(drawn, Distortion)
    assert kstest(drawn.shear, "uniform", args=(-0.1, 0.2)).pvalue > 0.01
    assert kstest(drawn.displacement.flatten(), "norm", args=(0.0, 0.5)).pvalue > 0.01
    assert len(drawn.displacement.flatten().unique()) == 2000 * 32
    plain = draw(RandomAffine(degrees=8), (28, 28), draws(2000))
    assert torch.equal(plain.angle, drawn.angle)


def test_distortions_are_of_tensors_only() -> None:
    with pytest.raises(ValueError, match="on='tensor'"):
        RandomDistortion(degrees=8, shear=0.1)


def test_networks_together_have_the_images_that_each_has_alone(images: Tensor) -> None:
    recipe = Recipe(lr=1, batch_size=2, epochs=1, augmentation=RandomAffine(degrees=20, translate=0.1))
    seeds = [3, 9]
    together = prepare(images, recipe, [torch.Generator().manual_seed(seed) for seed in seeds])
    for seed, part, among in zip(seeds, images.chunk(2), together.chunk(2), strict=True):
        assert torch.equal(prepare(part, recipe, [torch.Generator().manual_seed(seed)]), among)


def test_the_draws_of_a_seed_are_those_by_which_recorded_runs_were_trained() -> None:
    """The numbers are of the version that made the records; another order of draws would be another training."""
    transform = RandomDistortion(degrees=8, translate=0.2, scale=(0.9, 1.1), shear=0.1, elastic=0.5, on="tensor")
    drawn = draw(transform, (28, 28), draws(3))
    assert isinstance(drawn, Distortion)
    for found, recorded in (
        (drawn.angle, [7.520848028904849, 3.325117830396607, -0.6498729099607861]),
        (drawn.shift, [[5, 2], [3, -4], [-2, 1]]),
        (drawn.scale, [0.9576471784272301, 0.9905737697762229, 0.9353599052407429]),
        (drawn.shear, [-0.02894664833213871, 0.024381049735905533, -0.003630319843658289]),
        (drawn.displacement[2, 1, 3], [-0.12158565488432568, -0.21971118180342739, 1.3572330083009203, -0.7315868399]),
    ):
        torch.testing.assert_close(found, torch.tensor(recorded, dtype=torch.float64), rtol=0, atol=1e-9)
