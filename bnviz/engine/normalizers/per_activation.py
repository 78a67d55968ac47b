"""Batch normalization of each activation of a feature map by itself (Ioffe & Szegedy 2015, Section 3.2).

For convolutional layers the paper normalizes all positions of a map together, "so that different elements of the same
feature map, at different locations, are normalized in the same way". Section 4.2.3 has the other kind in the last
hidden layers of some networks of its ensemble, "non-convolutional, per-activation": every element of every map has a
mean and a variance over the mini-batch alone, and γ and β of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.normalizers.base import DEFAULT, Pair, Settings, group_ids
from bnviz.engine.normalizers.batch import BatchStatistics


class PerActivationBatchNorm(BatchStatistics):
    """Algorithm 1 with m values for each statistic, where batch normalization of maps has m' = m·p·q.

    gamma, beta, running_mean, running_var: (p·q·F,), position by position, as the values lie in memory.
    """

    def __init__(self, features: int, size: tuple[int, int], settings: Settings = DEFAULT) -> None:
        """size: p and q, the height and the width of a map."""
        super().__init__(features * size[0] * size[1], affine=True, settings=settings)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (B, F, p, q) by the batch's own statistics in training, by the running ones in evaluation mode."""
        return self._normalized(x, (self.running_mean, self.running_var), self.training, self.momentum)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize by x's own statistics and remember none of them."""
        return self._normalized(x, (None, None), True, 0.0)

    def scale_and_shift(self) -> Pair | None:
        """None: a feature has no γ and β, each of its positions has."""
        return None

    def shares(self, shape: Sequence[int]) -> Tensor:
        """The values of one feature at one position."""
        return group_ids(shape, apart=[1, 2, 3])

    def _normalized(
        self, x: Tensor, running: tuple[Tensor | None, Tensor | None], by_batch: bool, momentum: float
    ) -> Tensor:
        positions = x.permute(0, 2, 3, 1)  # (B, p, q, F)
        flat = positions.flatten(1)
        y = F.batch_norm(flat, *running, self.gamma, self.beta, by_batch, momentum, self.epsilon)
        return y.view(positions.shape).permute(0, 3, 1, 2)
