"""Algorithm 1 of the paper, and what every normalizer has in common.

Shapes, here and in its neighbours: B examples in the mini-batch, F features (units, or feature maps
of a convolutional layer). A feature's values are normalized together: over the batch for (B, F), over
the batch and all positions for (B, F, height, width), as Section 3.2 has it, m' = m·p·q values each.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

EPSILON = 1e-5
MOMENTUM = 0.1
"""The weight of the newest mini-batch in the running statistics, as in torch.nn.BatchNorm1d."""


@dataclass(frozen=True)
class Settings:
    """What an Experiment says about its normalizer besides its kind; each kind reads what concerns it.

    epsilon: added to a variance before its root. momentum: the weight of the newest mini-batch in the running
    statistics. groups: of GroupNorm. ghost_batch: the examples that GhostBatchNorm normalizes together.
    renorm_start: the steps after which BatchRenorm begins to correct.
    """

    epsilon: float = EPSILON
    momentum: float = MOMENTUM
    groups: int = 2
    ghost_batch: int = 10
    renorm_start: int = 100


DEFAULT = Settings()


def batch_normalize(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Algorithm 1, line by line: what batch normalization does to one mini-batch.

    x: (B, F) or (B, F, height, width); gamma, beta: (F,). Returns y, shaped like x. Autograd follows
    every line, so gradients flow through the mean and the variance, as Section 3 requires.
    The training networks use torch's fused kernel of the same formulas; tests hold the two together.
    """
    axes = feature_axes(x)
    mean = x.mean(axes, keepdim=True)  # μ_B
    variance = ((x - mean) ** 2).mean(axes, keepdim=True)  # σ²_B, biased: it normalizes this batch
    x_hat = (x - mean) / torch.sqrt(variance + epsilon)  # x̂
    return scaled_and_shifted(x_hat, gamma, beta)  # y


def feature_axes(x: Tensor) -> list[int]:
    """The axes that a feature's statistics are taken over: all but the second."""
    return [axis for axis in range(x.dim()) if axis != 1]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """μ and the biased σ² of each feature, each (F,); autograd follows both."""
    mean = x.mean(feature_axes(x))
    return mean, variance_around(mean, x)


def variance_around(mean: Tensor, x: Tensor) -> Tensor:
    """The mean squared distance of each feature's values from `mean`, (F,)."""
    return ((x - per_feature(mean, x)) ** 2).mean(feature_axes(x))


def unbiased(variance: Tensor, x: Tensor) -> Tensor:
    """σ²·m/(m − 1) for the m values of each feature of x: what running statistics take in, Algorithm 2, line 10."""
    values = x.numel() // len(variance)
    return variance * values / (values - 1)


def per_feature(values: Tensor, x: Tensor) -> Tensor:
    """values, (F,), shaped to be combined with x: (1, F) or (1, F, 1, 1)."""
    return values.view([1, -1] + [1] * (x.dim() - 2))


def group_ids(shape: Sequence[int], apart: Sequence[int]) -> Tensor:
    """An int64 tensor of this shape: values have equal numbers where they agree in the axes `apart`, from 0 on."""
    sizes = [size if axis in apart else 1 for axis, size in enumerate(shape)]
    return torch.arange(math.prod(sizes)).view(sizes).expand(*shape)


def scaled_and_shifted(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """γ·x̂ + β, feature by feature."""
    return per_feature(gamma, x_hat) * x_hat + per_feature(beta, x_hat)


Pair = tuple[Tensor | None, Tensor | None]
"""gamma and beta, each (F,); None for the one that a normalizer does not have."""


class Normalizer(nn.Module, ABC):
    """A module between a layer's affine map and its nonlinearity, or behind the nonlinearity.

    In training mode `forward` uses the mini-batch's statistics, in evaluation mode the running ones. One that takes
    its statistics from each example alone does the same in both.
    """

    keeps_bias = False
    """Whether the affine map before it has a bias: none where the normalizer would subtract it again."""
    epsilon = EPSILON
    momentum = MOMENTUM

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Normalize x: (B, F) or (B, F, height, width)."""

    @abstractmethod
    def as_in_training(self, x: Tensor) -> Tensor:
        """What `forward` would return in training mode; updates no statistics and draws from no generator."""

    def after_activation(self, z: Tensor) -> Tensor:
        """The layer's output, given its nonlinearity's output z: z itself, except in ScaledAfterActivation."""
        return z

    def start(self, weight: Tensor) -> None:
        """Learn the affine map's initial weights, (F, …), which only WeightNorm needs."""
        return

    def weight(self, weight: Tensor) -> Tensor:
        """What the affine map multiplies with, given its parameter: itself, unless weights are normalized."""
        return weight

    def scale_and_shift(self) -> Pair | None:
        """(gamma, beta), each (F,), None for the one that it does not have; None where it has neither."""
        return None

    def shares(self, shape: Sequence[int]) -> Tensor | None:
        """Which values of a mini-batch share their statistics.

        shape: (B, F) or (B, F, height, width). Returns an int64 tensor of this shape, in which values have equal
        numbers, from 0 on, if they are normalized by the same statistics; None where no statistics are taken.
        """
        return None


class NoNormalizer(Normalizer):
    """Leaves its input as it is."""

    keeps_bias = True

    def __init__(self, features: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def as_in_training(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class PerExample(Normalizer, ABC):
    """A normalizer by statistics of each example alone: it does the same in training and in evaluation mode.

    Nothing depends on an example's companions, and there are no running statistics.
    """

    keeps_bias = True

    def as_in_training(self, x: Tensor) -> Tensor:
        """Return what `forward` does."""
        y: Tensor = self(x)
        return y
