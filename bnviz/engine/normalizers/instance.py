"""Instance normalization (Ulyanov, Vedaldi & Lempitsky 2016): each feature map of each image on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from bnviz.engine.normalizers.base import DEFAULT, Settings, group_ids
from bnviz.engine.normalizers.group import GroupNorm


class InstanceNorm(GroupNorm):
    """y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), μ and the biased σ² over the positions of one feature map.

    Group normalization with a group for each map. It also subtracts the bias of its map, so none stands before
    it. A unit of a fully connected layer has one value in each example: there is nothing to take a variance of,
    and `forward` raises ValueError. gamma, beta: (F,).
    """

    keeps_bias = False

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, replace(settings, groups=features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each map of each image: (B, F, height, width)."""
        if x.dim() == 2:
            raise ValueError(f"x of shape {tuple(x.shape)} is not allowed; allowed is (B, F, height, width)")
        return super().forward(x)

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All positions of a feature map in an image."""
        return group_ids(shape, apart=[0, 1])
