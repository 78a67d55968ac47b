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
        tensors: list[Tensor] = []
        with torch.no_grad():
            for weight in weights:  # one after the other: each is in the processor's caches then
                changed = kept.get(id(weight))
                tensors.append(weight.detach())
                if changed is not None:
                    tensors.append(changed.sub_(weight))  # the sign is of no matter
                if weight.grad is not None:
                    tensors.append(weight.grad)
        found = iter(norms(tensors))
        self.sizes = {}
        for weight in weights:
            size = next(found)
            change = next(found) if id(weight) in kept else math.nan
            slope = next(found) if weight.grad is not None else math.nan
            self.sizes[id(weight)] = (slope, size, change / size if size else math.nan)

    def forget(self) -> None:
        """Nothing is known of the latest update."""
        self._before, self.sizes = [], {}


def norms(tensors: Sequence[Tensor]) -> list[float]:
    """The Euclidean norm of each tensor, in single precision."""
    if not tensors:
        return []
    with torch.no_grad():
        alike = {(item.dtype, item.device, item.layout) for item in tensors}
        if alike == {(torch.float32, tensors[0].device, torch.strided)}:
            found = list(torch._foreach_norm(list(tensors)))  # one call
        else:
            found = [torch.linalg.vector_norm(_precise(item.detach())) for item in tensors]
        if len({item.device for item in found}) > 1:
            return [float(item) for item in found]
        return [float(item) for item in torch.stack(found).tolist()]


def _precise(tensor: Tensor) -> Tensor:
    return tensor.to(torch.complex64) if tensor.is_complex() else tensor.float()
