"""Root mean square normalization, RMSNorm (Zhang & Sennrich 2019): layer normalization without the mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz.engine.normalizers.base import DEFAULT, PerExample, Settings, group_ids, per_feature


class RMSNorm(PerExample):
    """y = γ·x/√(mean(x²) + ε), the mean over all features of one example (Eq. 4); of feature maps, over all maps.

    Nothing is subtracted, and there is no β: the affine map before it keeps its bias. gamma: (F,).
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.epsilon = settings.epsilon
        self.gamma = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each example."""
        if x.dim() == 2:
            return F.rms_norm(x, x.shape[1:], self.gamma, self.epsilon)
        square = (x**2).mean((1, 2, 3), keepdim=True)
        return per_feature(self.gamma, x) * x * torch.rsqrt(square + self.epsilon)

    def scale_and_shift(self) -> tuple[Tensor, None]:
        """(gamma, None)."""
        return self.gamma, None

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of an example share the root of their mean square; no mean is taken."""
        return group_ids(shape, apart=[0])
