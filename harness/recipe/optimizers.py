"""Optimizers beside stochastic gradient descent, with the names, arguments and defaults of `torch.optim`.

The learning rate and the weight decay are those of the recipe. Its weight decay is 0 unless it says otherwise, also for
AdamW, where torch's own default is 0.01.
"""

from dataclasses import dataclass

from harness.recipe.checks import Decay, NotNegative, checked


@checked
@dataclass(frozen=True, kw_only=True)
class Adadelta:
    """Zeiler, arXiv 1212.5701; steps are in proportion to earlier ones, and the learning rate is often 1."""

    rho: Decay = 0.9
    eps: NotNegative = 1e-6


@checked
@dataclass(frozen=True, kw_only=True)
class Adam:
    """Kingma and Ba, arXiv 1412.6980; weight decay is a part of the gradient."""

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: NotNegative = 1e-8
    amsgrad: bool = False


@checked
@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Loshchilov and Hutter, arXiv 1711.05101; weight decay is apart from the gradient."""

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: NotNegative = 1e-8
    amsgrad: bool = False


@checked
@dataclass(frozen=True, kw_only=True)
class RMSprop:
    """Hinton's RMSprop, with a momentum of its own."""

    alpha: Decay = 0.99
    eps: NotNegative = 1e-8
    momentum: Decay = 0.0
    centered: bool = False
