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
        self._before, kept = [], {id(weight): before for weight, before in self._before}
        changed = [weight for weight in weights if id(weight) in kept]
        sloped = [weight for weight in weights if weight.grad is not None]
        with torch.no_grad():
            changes = [kept[id(weight)] for weight in changed]
            if changes:
                torch._foreach_sub_(changes, changed)  # the sign is of no matter
            slopes = [weight.grad for weight in sloped if weight.grad is not None]
            found = iter(norms([*weights, *changes, *slopes]))
        own = {id(weight): next(found) for weight in weights}
        moved = {id(weight): next(found) for weight in changed}
        gradients = {id(weight): next(found) for weight in sloped}
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
        alike = {(item.dtype, item.device, item.layout) for item in tensors}
        if alike == {(torch.float32, tensors[0].device, torch.strided)}:
            found = torch._foreach_norm(list(tensors))  # one call
        else:
            found = [torch.linalg.vector_norm(item.detach().float()) for item in tensors]
        if len({item.device for item in found}) > 1:
            return [float(item) for item in found]
        return [float(item) for item in torch.stack(list(found)).tolist()]
