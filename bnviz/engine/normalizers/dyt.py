"""Dynamic tanh, DyT (Zhu, Chen, He, LeCun & Liu 2025): a squashing function in place of a normalization."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnviz.engine.normalizers.base import PerExample, scaled_and_shifted

ALPHA = 0.5
"""α at the start, the paper's default α₀."""


class DynamicTanh(PerExample):
    """y = γ·tanh(α·x) + β (Eq. 2): no statistics are taken. alpha: (1,); gamma, beta: (F,); all learned."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), ALPHA))
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Squash each value."""
        return scaled_and_shifted(torch.tanh(self.alpha * x), self.gamma, self.beta)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta
