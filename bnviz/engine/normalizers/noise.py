"""Noise that moves every distribution on purpose (Santurkar et al. 2018, Algorithm 1), with BN and without.

If batch normalization helped by holding distributions still, this noise behind it should undo the help.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from bnviz.engine.normalizers.base import DEFAULT, Normalizer, Pair, Settings
from bnviz.engine.normalizers.batch import BatchNorm

MEAN_RANGE = (-0.5, 0.5)
SCALE_RANGE = (1.0, 1.25)
SAMPLE_MEAN_REACH = 0.1
SAMPLE_SCALE_STD = 0.1


def moved(x: Tensor, rng: Generator) -> Tensor:
    """s·x + m, with m and s drawn anew for each example and feature, around means drawn for each feature.

    Per feature and call: μ ~ U(−0.5, 0.5) and σ ~ U(1, 1.25). Per example and feature:
    m ~ U(μ − 0.1, μ + 0.1) and s ~ N(σ, 0.1²), the same at all positions of a feature map.
    """
    examples, features = x.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=rng, device=x.device, dtype=x.dtype)

    low, high = MEAN_RANGE
    centers = low + (high - low) * uniform(features)  # μ
    low, high = SCALE_RANGE
    scales = low + (high - low) * uniform(features)  # σ
    m = centers + SAMPLE_MEAN_REACH * (2.0 * uniform(examples, features) - 1.0)
    normal = torch.randn((examples, features), generator=rng, device=x.device, dtype=x.dtype)
    s = scales + SAMPLE_SCALE_STD * normal
    shape = [examples, features] + [1] * (x.dim() - 2)
    return s.view(shape) * x + m.view(shape)


class Noise(Normalizer):
    """The noise without batch normalization, as a control; none in evaluation mode."""

    keeps_bias = True

    def __init__(self, features: int, rng: Generator) -> None:
        super().__init__()
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        """Move x in training, leave it as it is in evaluation mode."""
        return moved(x, self.rng) if self.training else x

    def as_in_training(self, x: Tensor) -> Tensor:
        """Move x with the draws that the next training step will make, from a copy of the generator."""
        return moved(x, self.rng.clone_state())


class NoisyBatchNorm(Normalizer):
    """Batch normalization with the noise after γ and β; no noise in evaluation mode."""

    def __init__(self, features: int, rng: Generator, settings: Settings = DEFAULT) -> None:
        super().__init__()
        self.normalized = BatchNorm(features, settings)
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        """BN(x), moved in training."""
        y: Tensor = self.normalized(x)
        return moved(y, self.rng) if self.training else y

    def as_in_training(self, x: Tensor) -> Tensor:
        """BN(x) by x's own statistics, moved with the draws that the next training step will make."""
        return moved(self.normalized.as_in_training(x), self.rng.clone_state())

    def scale_and_shift(self) -> Pair | None:
        """(gamma, beta)."""
        return self.normalized.scale_and_shift()

    def shares(self, shape: Sequence[int]) -> Tensor:
        """As batch normalization."""
        return self.normalized.shares(shape)
