"""Mini-batches: a dataset's examples as tensors on the device that trains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bnviz.data.datasets import Dataset, Split


def stratified_subset(split: Split, count: int) -> Split:
    """`count` examples of a split in its order, each class in proportion; all if count is 0 or too large.

    The same ones for every seed of an Experiment.
    """
    if not 0 < count < len(split.labels):
        return split
    by_class = np.argsort(split.labels, kind="stable")
    chosen = np.sort(by_class[np.linspace(0, len(by_class) - 1, count).astype(np.int64)])
    return Split(split.inputs[chosen], split.labels[chosen])


class Examples:
    """One split. Pixels stay 8-bit integers and are scaled batch by batch: a quarter of the memory, as fast."""

    def __init__(self, split: Split, scale: float, device: torch.device) -> None:
        self.inputs = torch.tensor(split.inputs.reshape(len(split.inputs), -1), device=device)
        self.labels = torch.tensor(split.labels, device=device)
        self.scale = scale

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (B, inputs) float32 as the network sees them, and labels (B,)."""
        inputs = self.inputs.index_select(0, index).float()
        return inputs.mul_(self.scale) if self.scale != 1.0 else inputs, self.labels.index_select(0, index)

    def spread(self, count: int) -> Tensor:
        """The indices of at most `count` examples, evenly spaced over the split."""
        return torch.linspace(0, len(self) - 1, min(count, len(self))).long()


@lru_cache(maxsize=8)
def examples_of(dataset: Dataset, count: int, device: torch.device) -> tuple[Examples, Examples]:
    """The training examples, `count` or all if 0, and the held-out ones; cached, one copy for all Trainers."""
    chosen = stratified_subset(dataset.train, count)
    return Examples(chosen, dataset.scale, device), Examples(dataset.test, dataset.scale, device)
