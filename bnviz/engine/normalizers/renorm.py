"""Batch renormalization (Ioffe 2017): batch normalization corrected toward what it does in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnviz.engine.normalizers.base import (
    DEFAULT,
    Normalizer,
    Settings,
    group_ids,
    moments,
    per_feature,
    scaled_and_shifted,
)

MOST_R, MOST_D = 3.0, 5.0
"""What r_max and d_max grow to (Section 4)."""
FULL_D, FULL_R = 5, 8
"""When they are reached, in multiples of `renorm_start`. The paper's schedule is 5,000 steps of batch normalization,
d_max = 5 at step 25,000 and r_max = 3 at step 40,000."""


def limits(step: int, start: int) -> tuple[float, float]:
    """(r_max, d_max) at a step, the first being 0: 1 and 0 up to `start`, then growing linearly to 3 and 5."""
    if start == 0:
        return MOST_R, MOST_D
    beyond = max(0, step - start) / start
    r, d = (min(1.0, beyond / (full - 1)) for full in (FULL_R, FULL_D))
    return 1.0 + (MOST_R - 1.0) * r, MOST_D * d


class BatchRenorm(Normalizer):
    """y = γ·x̂ + β with x̂ = (x − μ_B)/σ_B·r + d (Algorithm 1 of the paper).

    σ_B = √(σ²_B + ε); r = σ_B/σ, clipped to [1/r_max, r_max], and d = (μ_B − μ)/σ, clipped to [−d_max, d_max], are
    constants to the gradient. μ and σ are the moving averages of μ_B and σ_B, as they were before this mini-batch.
    Unclipped, x̂ would be (x − μ)/σ, which is what evaluation mode computes. The limits grow as `limits` says.
    gamma, beta: (F,), learned. running_mean, running_std: (F,). steps: (), the mini-batches seen in training.
    """

    running_mean: Tensor
    running_std: Tensor
    steps: Tensor

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.epsilon, self.momentum, self.begin = settings.epsilon, settings.momentum, settings.renorm_start
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_std", torch.ones(features))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize by the corrected statistics in training, by the running ones in evaluation mode."""
        if not self.training:
            x_hat = (x - per_feature(self.running_mean, x)) / per_feature(self.running_std, x)
            return scaled_and_shifted(x_hat, self.gamma, self.beta)
        mean, std = self.statistics(x)
        y = self.corrected(x, mean, std)
        with torch.no_grad():  # running statistics are observed, not learned
            self.running_mean.lerp_(mean, self.momentum)
            self.running_std.lerp_(std, self.momentum)
            self.steps += 1
        return y

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize by x's own statistics with the next step's correction, and remember none of them."""
        return self.corrected(x, *self.statistics(x))

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ_B and σ_B, each (F,)."""
        mean, variance = moments(x)
        return mean, torch.sqrt(variance + self.epsilon)

    @torch.no_grad()
    def corrections(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """R and d of the next step, each (F,). mean, std: those of its mini-batch."""
        most_r, most_d = limits(int(self.steps), self.begin)
        r = (std / self.running_std).clamp(1.0 / most_r, most_r)
        return r, ((mean - self.running_mean) / self.running_std).clamp(-most_d, most_d)

    def corrected(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """y, shaped like x."""
        r, d = self.corrections(mean, std)
        x_hat = (x - per_feature(mean, x)) * per_feature(r / std, x) + per_feature(d, x)
        return scaled_and_shifted(x_hat, self.gamma, self.beta)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature, as in batch normalization."""
        return group_ids(shape, apart=[1])
