"""Normalization of the weights in place of what they produce: by length, or to mean 0 and variance 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnviz.engine.normalizers.base import DEFAULT, PerExample, Settings
from bnviz.engine.normalizers.group import GroupNorm


class WeightNorm(PerExample):
    """Weight normalization (Salimans & Kingma 2016): w = g·v/‖v‖ for each unit or feature map (Eq. 2).

    Length g and direction v are learned in place of w; v is the affine map's own parameter. As in
    torch.nn.utils.parametrizations.weight_norm g starts as the length of the initial weights, so that nothing
    changes at the start. Nothing is done to the activations. g: (F,).
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(features))

    def start(self, weight: Tensor) -> None:
        """Set g to the lengths of the initial weights."""
        with torch.no_grad():
            self.g.copy_(lengths(weight).flatten())

    def weight(self, weight: Tensor) -> Tensor:
        """g·v/‖v‖, (F, …), by the kernel behind torch's parametrization."""
        normalized: Tensor = torch._weight_norm(weight, per_unit(self.g, weight), 0)
        return normalized

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class WeightStandardized(GroupNorm):
    """Weight standardization (Qiao et al. 2019) with group normalization behind it.

    Each unit's weights are standardized, ŵ = (w − mean(w))/√(var(w) + ε) over its inputs (Eq. 5 to 7). ŵ has no
    scale of its own: the paper assumes a normalization that follows, and uses group normalization. gamma, beta: (F,).
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, settings)

    def weight(self, weight: Tensor) -> Tensor:
        """ŵ, (F, …)."""
        axes = list(range(1, weight.dim()))
        centered = weight - weight.mean(axes, keepdim=True)
        return centered * torch.rsqrt((centered**2).mean(axes, keepdim=True) + self.epsilon)


def lengths(weight: Tensor) -> Tensor:
    """‖v‖ of each unit's weights, (F, 1, …)."""
    norms: Tensor = torch.linalg.vector_norm(weight, dim=list(range(1, weight.dim())), keepdim=True)
    return norms


def per_unit(values: Tensor, weight: Tensor) -> Tensor:
    """values, (F,), shaped to be combined with weight, (F, …)."""
    return values.view(-1, *[1] * (weight.dim() - 1))
