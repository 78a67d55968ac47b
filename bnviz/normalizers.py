"""Batch normalization (Ioffe & Szegedy 2015, Algorithms 1 and 2), written to be read beside the paper.

Shapes: B examples in the mini-batch, F features (units, or feature maps of a convolutional layer).
A feature's values are normalized together: over the batch for (B, F), over the batch and all
positions for (B, F, height, width), as Section 3.2 has it, m' = m·p·q values each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5
MOMENTUM = 0.1
"""The weight of the newest mini-batch in the running statistics, as in torch.nn.BatchNorm1d."""


def batch_normalize(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Algorithm 1, line by line: what batch normalization does to one mini-batch.

    x: (B, F) or (B, F, height, width); gamma, beta: (F,). Returns y, shaped like x. Autograd follows
    every line, so gradients flow through the mean and the variance, as Section 3 requires.
    The training networks use torch's fused kernel of the same formulas; tests hold the two together.
    """
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    mean = x.mean(axes, keepdim=True)  # μ_B
    variance = ((x - mean) ** 2).mean(axes, keepdim=True)  # σ²_B, biased: it normalizes this batch
    x_hat = (x - mean) / torch.sqrt(variance + epsilon)  # x̂
    return gamma.view(shape) * x_hat + beta.view(shape)  # y


class Normalizer(nn.Module, ABC):
    """What stands between a layer's affine map and its nonlinearity.

    In training mode `forward` uses the mini-batch, in evaluation mode what training has gathered.
    """

    keeps_bias = False
    """Whether the affine map before it keeps a bias: not where the normalizer would subtract it again."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Normalize x: (B, F) or (B, F, height, width)."""

    @abstractmethod
    def as_in_training(self, x: Tensor) -> Tensor:
        """What `forward` would return in training mode, but no statistics are gathered and no chance used."""


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


class BatchNorm(Normalizer):
    """Algorithm 1 in training, the fixed linear map of Algorithm 2 in evaluation mode.

    gamma, beta: (F,), learned. running_mean, running_var: (F,), moving averages over the mini-batches
    of their means and of their unbiased variances, which stand in for E[x] and Var[x] of Algorithm 2.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize by the batch's own statistics in training, by the running ones in evaluation mode."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.gamma, self.beta, self.training, MOMENTUM, EPSILON
        )

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize by x's own statistics and remember none of them."""
        return F.batch_norm(x, None, None, self.gamma, self.beta, True, 0.0, EPSILON)


NORMALIZER_CLASSES: dict[str, Callable[[int], Normalizer]] = {
    "none": NoNormalizer,
    "batch": BatchNorm,
}
"""A normalizer by its name in an Experiment; called with the number of features."""
