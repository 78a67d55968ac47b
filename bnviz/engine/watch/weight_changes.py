"""How large the weights are, their gradients and what an update changes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Sizes = tuple[float, float, float]
"""The norm of a weight's gradient, its own norm, and the norm of its last change over that."""


class WeightChanges:
    """Measures weights around an update. sizes: by the `id` of each weight, as of the latest measured update."""

    def __init__(self) -> None:
        self.sizes: dict[int, Sizes] = {}
        self._before: list[tuple[Tensor, Tensor]] = []

    def before(self, weights: Sequence[Tensor]) -> None:
        """Keep weights that are about to be updated."""
        self._before = [(weight, weight.detach().clone()) for weight in weights]

    def after(self, weights: Sequence[Tensor]) -> None:
        """Measure weights that were updated, and their changes where they were kept."""
        self._before, before = [], {id(weight): kept for weight, kept in self._before}
        changed = [weight for weight in weights if id(weight) in before]
        pairs = [weight.detach() - before[id(weight)] for weight in changed]
        slopes = [weight.grad for weight in weights if weight.grad is not None]
        found = iter(norms([weight.detach() for weight in weights] + pairs + slopes))
        own = {id(weight): next(found) for weight in weights}
        moved = {id(weight): next(found) for weight in changed}
        gradients = {id(weight): next(found) for weight in weights if weight.grad is not None}
        self.sizes = {
            key: (
                gradients.get(key, math.nan),
                size,
                moved[key] / size if key in moved and size else math.nan,
            )
            for key, size in own.items()
        }

    def forget(self) -> None:
        """Nothing is known of the latest update."""
        self._before, self.sizes = [], {}


def norms(tensors: Sequence[Tensor]) -> list[float]:
    """The Euclidean norm of each tensor, in float32."""
    if not tensors:
        return []
    with torch.no_grad():
        found = [torch.linalg.vector_norm(item.detach().float()) for item in tensors]
        if len({item.device for item in found}) > 1:
            return [float(item) for item in found]
        return [float(item) for item in torch.stack(found).tolist()]
