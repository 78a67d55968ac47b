"""Batch normalization (Ioffe & Szegedy 2015, Algorithms 1 and 2) and the relatives that share its statistics.

All compute x̂ = (x − μ)/√(σ² + ε) feature by feature. They differ in where γ and β stand, in what μ and
σ² are, and in whether the gradient passes through them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.normalizers.base import (
    DEFAULT,
    Normalizer,
    Pair,
    Settings,
    feature_axes,
    group_ids,
    moments,
    per_feature,
    scaled_and_shifted,
    unbiased,
    variance_around,
)


class BatchStatistics(Normalizer, ABC):
    """A normalizer by the mini-batch's mean and variance of each feature.

    gamma, beta: (F,), learned; None unless `affine`.
    running_mean, running_var: (F,), moving averages over the mini-batches of their means and of their
    unbiased variances, which stand in for E[x] and Var[x] of Algorithm 2 in evaluation mode.
    """

    gamma: nn.Parameter | None
    beta: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, affine: bool, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.epsilon, self.momentum = settings.epsilon, settings.momentum
        self.gamma = nn.Parameter(torch.ones(features)) if affine else None
        self.beta = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def scale_and_shift(self) -> Pair | None:
        """(gamma, beta), or None without them."""
        return None if self.gamma is None else (self.gamma, self.beta)

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature: over the mini-batch, and over all positions of a feature map."""
        return group_ids(shape, apart=[1])


class BatchNorm(BatchStatistics):
    """Algorithm 1 in training, the fixed linear map of Algorithm 2 in evaluation mode.

    affine: y = γ·x̂ + β; without it y = x̂, which would confine the inputs of a sigmoid to its nearly linear
    middle: the reason that Section 3 gives for γ and β.
    """

    def __init__(self, features: int, settings: Settings = DEFAULT, *, affine: bool = True) -> None:
        super().__init__(features, affine, settings)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize by the batch's own statistics in training, by the running ones in evaluation mode."""
        running = self.running_mean, self.running_var
        return F.batch_norm(x, *running, self.gamma, self.beta, self.training, self.momentum, self.epsilon)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize by x's own statistics and remember none of them."""
        return F.batch_norm(x, None, None, self.gamma, self.beta, True, 0.0, self.epsilon)


class ScaledAfterActivation(Normalizer):
    """z = γ·g(x̂) + β, as a summary in circulation writes it; the paper has z = g(γ·x̂ + β), Section 3.2.

    The nonlinearity then always receives x̂, of mean 0 and variance 1, and its output is stretched and
    moved: the layer cannot choose how much of the nonlinearity to use. gamma, beta: (F,), learned.
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.normalized = BatchNorm(features, settings, affine=False)
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """x̂ by the batch's own statistics in training, by the running ones in evaluation mode."""
        x_hat: Tensor = self.normalized(x)
        return x_hat

    def as_in_training(self, x: Tensor) -> Tensor:
        """x̂ by x's own statistics, of which none are remembered."""
        return self.normalized.as_in_training(x)

    def after_activation(self, z: Tensor) -> Tensor:
        """γ·z + β."""
        return scaled_and_shifted(z, self.gamma, self.beta)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """As batch normalization."""
        return self.normalized.shares(shape)


class WrittenOut(BatchStatistics, ABC):
    """y = x̂, or γ·x̂ + β, with μ and σ² of `statistics`, through which autograd passes as written there."""

    @abstractmethod
    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and σ² of the mini-batch x, each (F,)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize by the batch's own statistics in training, by the running ones in evaluation mode."""
        if not self.training:
            return self.normalize(x, self.running_mean, self.running_var)
        mean, variance = self.statistics(x)
        with torch.no_grad():  # running statistics are observed, not learned
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased(variance, x), self.momentum)
        return self.normalize(x, mean, variance)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize by x's own statistics and remember none of them."""
        return self.normalize(x, *self.statistics(x))

    def normalize(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """y, shaped like x."""
        x_hat = (x - per_feature(mean, x)) / torch.sqrt(per_feature(variance, x) + self.epsilon)
        if self.gamma is None or self.beta is None:
            return x_hat
        return scaled_and_shifted(x_hat, self.gamma, self.beta)


class StoppedMean(WrittenOut):
    """Section 2's warning: x̂ with a gradient step that takes the mean for a constant.

    With x = Wu + b the step moves b, although x̂ does not depend on b: b grows without bound and the loss
    does not move for it. There are no γ and β, as in Section 2, since β would take over what b tries to
    do. To compare with: "batch-no-affine", where the gradient passes through the statistics.
    """

    keeps_bias = True

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, affine=False, settings=settings)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean, cut off from the gradient, and the biased variance."""
        mean = x.mean(feature_axes(x)).detach()
        return mean, variance_around(mean, x)


class StoppedStatistics(WrittenOut):
    """Section 2's warning once more: a gradient step that takes the mean and the variance for constants.

    b grows as with StoppedMean; and W grows too, in steps that try to change a scale which the variance
    divides out again, as Section 2 says: worse when the activations are scaled as well as centered.
    """

    keeps_bias = True

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, affine=False, settings=settings)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the biased variance, both cut off from the gradient."""
        with torch.no_grad():
            return moments(x)


class L1BatchNorm(WrittenOut):
    """ℓ₁ normalization: the mean distance from the mean in place of the standard deviation.

    y = γ·x̂ + β with σ = √(π/2)·mean|x − μ|, the standard deviation if x is Gaussian. One of the norms
    that Santurkar et al. 2018 (Section 3.3) found to train as well as batch normalization.
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, affine=True, settings=settings)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and σ²."""
        mean = x.mean(feature_axes(x))
        distance = (x - per_feature(mean, x)).abs().mean(feature_axes(x))
        return mean, math.pi / 2 * distance**2
