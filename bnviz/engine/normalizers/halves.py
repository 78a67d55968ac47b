"""Each half of batch normalization alone: the subtraction of the mean, and the division by the deviation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnviz.engine.normalizers.base import (
    DEFAULT,
    Normalizer,
    Settings,
    feature_axes,
    group_ids,
    moments,
    per_feature,
    unbiased,
)


class MeanOnly(Normalizer):
    """y = x − μ + β, mean-only batch normalization (Salimans & Kingma 2016, Section 4), without their weights' norm.

    The gradient passes through the mean. In evaluation mode μ is the moving average of the mini-batches' means.
    beta: (F,), learned. running_mean: (F,).
    """

    running_mean: Tensor

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.momentum = settings.momentum
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Subtract the batch's own means in training, the running ones in evaluation mode."""
        if not self.training:
            return x + per_feature(self.beta - self.running_mean, x)
        mean = x.mean(feature_axes(x))
        with torch.no_grad():  # running statistics are observed, not learned
            self.running_mean.lerp_(mean, self.momentum)
        return x + per_feature(self.beta - mean, x)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Subtract x's own means and remember none of them."""
        return x + per_feature(self.beta - x.mean(feature_axes(x)), x)

    def scale_and_shift(self) -> tuple[None, Tensor]:
        """(None, beta)."""
        return None, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature."""
        return group_ids(shape, apart=[1])


class VarianceOnly(Normalizer):
    """y = γ·x/√(σ² + ε): Algorithm 1 of Ioffe & Szegedy 2015 without the subtraction of the mean and without β.

    σ² is the mini-batch's biased variance, around its mean, and the gradient passes through it. The mean stays, so
    the affine map before it keeps its bias. In evaluation mode σ² is the moving average of the unbiased variances.
    gamma: (F,), learned. running_var: (F,).
    """

    keeps_bias = True
    running_var: Tensor

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.epsilon, self.momentum = settings.epsilon, settings.momentum
        self.gamma = nn.Parameter(torch.ones(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the batch's own deviations in training, by the running ones in evaluation mode."""
        if not self.training:
            return self.divided(x, self.running_var)
        _, variance = moments(x)
        with torch.no_grad():  # running statistics are observed, not learned
            self.running_var.lerp_(unbiased(variance, x), self.momentum)
        return self.divided(x, variance)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Divide by x's own deviations and remember none of them."""
        return self.divided(x, moments(x)[1])

    def divided(self, x: Tensor, variance: Tensor) -> Tensor:
        """y, shaped like x."""
        return x * per_feature(self.gamma * torch.rsqrt(variance + self.epsilon), x)

    def scale_and_shift(self) -> tuple[Tensor, None]:
        """(gamma, None)."""
        return self.gamma, None

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature share a variance; no mean is subtracted."""
        return group_ids(shape, apart=[1])
