"""Group normalization (Wu & He 2018): each example by the mean and variance of groups of its features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.normalizers.base import DEFAULT, PerExample, Settings, group_ids


class GroupNorm(PerExample):
    """y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), μ and the biased σ² over one group of features of one example.

    Eq. 1 to 7 of the paper. The groups are neighbouring features, F/groups each. One group is layer
    normalization, F groups are instance normalization. gamma, beta: (F,). Raises ValueError if groups does not
    divide F.
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        if features % settings.groups:
            raise ValueError(f"groups = {settings.groups} is not allowed; allowed is a divisor of {features}")
        self.groups, self.epsilon = settings.groups, settings.epsilon
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each group of each example."""
        return F.group_norm(x, self.groups, self.gamma, self.beta, self.epsilon)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """(gamma, beta)."""
        return self.gamma, self.beta

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a group of features in an example."""
        batch, features, *positions = shape
        ids = group_ids((batch, self.groups, 1, *positions), apart=[0, 1])
        return ids.expand(batch, self.groups, features // self.groups, *positions).reshape(*shape)
