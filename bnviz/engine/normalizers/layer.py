"""Layer normalization (Ba, Kiros & Hinton 2016): each example by the mean and variance of its own features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.normalizers.base import DEFAULT, PerExample, Settings, group_ids


class LayerNorm(PerExample):
    """y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), μ and the biased σ² over all features of one example (Eq. 3).

    Of feature maps, over all maps and positions of one example; γ and β are then one for each map, as for every
    normalizer here and in Wu & He 2018; torch.nn.LayerNorm would have one for each position. gamma, beta: (F,).
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.epsilon = settings.epsilon
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each example."""
        if x.dim() == 2:
            return F.layer_norm(x, x.shape[1:], self.gamma, self.beta, self.epsilon)
        return F.group_norm(x, 1, self.gamma, self.beta, self.epsilon)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of an example."""
        return group_ids(shape, apart=[0])
