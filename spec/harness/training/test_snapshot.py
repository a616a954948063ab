"""A state has every generator that the next epoch draws from, that of the device among them."""

import pytest
import torch
from torch import Tensor, nn

from harness import Recipe
from harness.data import MNIST
from harness.data.synthetic import synthetic
from harness.training import trainer
from harness.training.snapshot import global_generators
from harness.training.trainer import SingleTrainer


def test_a_gpu_has_a_generator_beside_that_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    of_gpus = (torch.Generator(), torch.Generator())
    monkeypatch.setattr(torch.cuda, "default_generators", of_gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    for device, expected in (("cpu", None), ("cuda:1", of_gpus[1]), ("cuda", of_gpus[0])):
        found = global_generators(torch.device(device))
        assert found.pop("global") is torch.default_generator
        assert list(found.values()) == ([] if expected is None else [expected])


class Noisy(nn.Module):
    """Adds noise to the images, from whatever generator it is given."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.classes, self.generator = nn.Linear(784, 10), generator

    def forward(self, images: Tensor) -> Tensor:
        noise = torch.rand(images.shape, generator=self.generator) if self.training else torch.zeros(())
        classes: Tensor = self.classes((images + noise).flatten(1)).log_softmax(1)
        return classes


def test_a_resumed_training_draws_from_the_device_what_an_uninterrupted_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another generator of the CPU stands in for that of a GPU."""
    of_device, data = torch.Generator().manual_seed(5), synthetic(64)
    monkeypatch.setattr(trainer, "global_generators", lambda device: {**global_generators(device), "device": of_device})

    def trained(data: MNIST) -> SingleTrainer:
        torch.manual_seed(3)
        return SingleTrainer(Noisy(of_device), Recipe(lr=0.02, batch_size=16, epochs=3), data, seed=3)

    whole = trained(data)
    whole.train_epoch()
    saved = whole.state()
    expected = [whole.train_epoch() for _ in range(2)]
    resumed = trained(data)
    resumed.restore(saved, 1)
    assert [resumed.train_epoch() for _ in range(2)] == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_resumed_training_draws_from_a_gpu_what_an_uninterrupted_one_does() -> None:
    def trained() -> SingleTrainer:
        return SingleTrainer(network(), Recipe(lr=0.02, batch_size=16, epochs=3), synthetic(64).to("cuda"), seed=3)

    def network() -> nn.Module:
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.AlphaDropout(0.5), nn.Linear(784, 10), nn.LogSoftmax(1)).cuda()

    whole = trained()
    whole.train_epoch()
    saved = whole.state()
    [(expected, _)] = whole.train_epoch()
    resumed = trained()
    resumed.restore(saved, 1)
    [(found, _)] = resumed.train_epoch()
    assert found == pytest.approx(expected, abs=1e-5)
