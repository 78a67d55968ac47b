"""Residual blocks of two 3×3 convolutions, after He et al. 2016.

u is the block's input, A₁ and A₂ its convolutions, N₁ and N₂ their normalizers, g the nonlinearity. s(u) passes by:
u itself, or, where the width or the resolution changes, a 1×1 convolution of u with the same stride as A₁.

PostActivated  z = g(N₂(A₂(g(N₁(A₁(u))))) + s(u))    "Deep Residual Learning", Figure 2
PreActivated   z = A₂(g(N₂(A₁(g(N₁(u)))))) + s(u)    "Identity Mappings in Deep Residual Networks", Figure 4e
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from bnviz.engine.block import Dropout, Layer, Probe, Step, kept, mapped
from bnviz.engine.normalizers import NoNormalizer, Normalizer
from bnviz.engine.normalizers.base import Pair


@dataclass(frozen=True)
class Parts:
    """What a residual block is made of. passing_by: the 1×1 convolution, or the identity."""

    first: nn.Conv2d
    second: nn.Conv2d
    passing_by: nn.Module
    first_normalizer: Normalizer
    second_normalizer: Normalizer
    activation: Step
    dropout: Dropout


class ResidualBlock(Layer):
    """Two convolutions, and s(u) past them. Its Probe shows the input of the last nonlinearity."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.first, self.second, self.passing_by = parts.first, parts.second, parts.passing_by
        self.first_normalizer, self.second_normalizer = parts.first_normalizer, parts.second_normalizer
        self.activation, self.dropout = parts.activation, parts.dropout

    @abstractmethod
    def computed(self, u: Tensor, one: Step, two: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The inputs of N₂ and of the last nonlinearity, and z. one, two: the normalizers N₁ and N₂."""

    def forward(self, u: Tensor) -> Tensor:
        """(B, inputs, height, width) -> (B, F, height, width), halved if A₁ has stride 2."""
        return self.computed(u, self.first_normalizer, self.second_normalizer, self.dropout)[2]

    def probe(self, u: Tensor) -> tuple[Probe, Tensor]:
        """As in Layer."""
        before, pre_activations, z = self.computed(
            u, self.first_normalizer.as_in_training, self.second_normalizer.as_in_training, kept
        )
        if isinstance(self.second_normalizer, NoNormalizer):
            before = pre_activations
        return Probe(before, pre_activations), z

    @property
    def weights(self) -> list[Tensor]:
        """Those of A₁ and A₂, and of s if it is a convolution."""
        return [self.first.weight, self.second.weight, *self.passing_by.parameters()]

    def scale_and_shift(self) -> Pair | None:
        """Those of N₂."""
        return self.second_normalizer.scale_and_shift()

    def _first(self, u: Tensor) -> Tensor:
        return mapped(self.first, self.first_normalizer, u)

    def _second(self, u: Tensor) -> Tensor:
        return mapped(self.second, self.second_normalizer, u)


class PostActivated(ResidualBlock):
    """z = g(N₂(A₂(g(N₁(A₁(u))))) + s(u))."""

    def computed(self, u: Tensor, one: Step, two: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in ResidualBlock."""
        hidden = drop(self.activation(one(self._first(u))))
        before = self._second(hidden)
        pre_activations = two(before) + self.passing_by(u)
        return before, pre_activations, self.activation(pre_activations)


class PreActivated(ResidualBlock):
    """z = A₂(g(N₂(A₁(g(N₁(u)))))) + s(u)."""

    def computed(self, u: Tensor, one: Step, two: Step, drop: Step) -> tuple[Tensor, Tensor, Tensor]:
        """As in ResidualBlock."""
        before = self._first(self.activation(one(u)))
        pre_activations = two(before)
        return (
            before,
            pre_activations,
            self._second(drop(self.activation(pre_activations))) + self.passing_by(u),
        )
