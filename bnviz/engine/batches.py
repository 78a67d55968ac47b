"""Mini-batches: a dataset's examples as tensors on the device that trains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor

from bnviz.data.datasets import Dataset, Split

CHUNKS = 50
"""Parts in which a split's squares are summed."""


def stratified_subset(split: Split, count: int) -> Split:
    """`count` examples of a split in its order, each class in proportion; all if count is 0 or too large.

    The same ones for every seed of an Experiment.
    """
    if not 0 < count < len(split.labels):
        return split
    by_class = np.argsort(split.labels, kind="stable")
    chosen = np.sort(by_class[np.linspace(0, len(by_class) - 1, count).astype(np.int64)])
    return Split(split.inputs[chosen], split.labels[chosen])


@dataclass(frozen=True)
class Standard:
    """The mean and the standard deviation of each channel over the training images, each (channels, 1)."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, split: Split, scale: float, device: torch.device) -> Self:
        """Those of a split of images, as the network would see them otherwise. A constant channel has σ = 1."""
        axes = (0, 2, 3)
        # In float64 by sums over whole numbers: a copy of all images as floats would take eight times their memory.
        count = split.inputs.size / split.inputs.shape[1]
        mean = split.inputs.sum(axes, dtype=np.float64) / count
        squares = sum(
            (chunk.astype(np.float64) ** 2).sum(axes) for chunk in np.array_split(split.inputs, CHUNKS)
        )
        std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        std[std == 0] = 1.0 / scale
        made = (torch.tensor(item * scale, dtype=torch.float32, device=device) for item in (mean, std))
        return cls(*(item[:, None] for item in made))


class Examples:
    """One split. Pixels stay 8-bit integers and are scaled batch by batch: a quarter of the memory, as fast."""

    def __init__(
        self, split: Split, scale: float, device: torch.device, standard: Standard | None = None
    ) -> None:
        self.inputs = torch.tensor(split.inputs.reshape(len(split.inputs), -1), device=device)
        self.labels = torch.tensor(split.labels, device=device)
        self.scale = scale
        self.standard = standard

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (B, inputs) float32 as the network sees them, and labels (B,)."""
        return self.seen(self.stored(index)), self.labels.index_select(0, index)

    def stored(self, index: Tensor) -> Tensor:
        """The inputs as they are stored, (B, inputs)."""
        return self.inputs.index_select(0, index)

    def seen(self, stored: Tensor) -> Tensor:
        """Stored inputs as the network sees them, float32: scaled and, where it is asked for, standardized."""
        inputs = self.scaled(stored)
        if self.standard is None:
            return inputs
        channels = inputs.view(len(inputs), len(self.standard.mean), -1)
        return channels.sub_(self.standard.mean).div_(self.standard.std).view_as(inputs)

    def scaled(self, stored: Tensor) -> Tensor:
        """Stored inputs as float32, pixels from 0 to 1."""
        inputs = stored.float()
        return inputs.mul_(self.scale) if self.scale != 1.0 else inputs

    def spread(self, count: int) -> Tensor:
        """The indices of at most `count` examples, evenly spaced over the split."""
        return torch.linspace(0, len(self) - 1, min(count, len(self))).long()


@lru_cache(maxsize=8)
def examples_of(
    dataset: Dataset, count: int, device: torch.device, standardized: bool = False
) -> tuple[Examples, Examples]:
    """The training examples, `count` or all if 0, and the held-out ones; cached, one copy for all Trainers.

    standardized: both by the mean and the standard deviation of each channel over these training examples.
    """
    chosen = stratified_subset(dataset.train, count)
    standard = Standard.of(chosen, dataset.scale, device) if standardized else None
    train, test = (Examples(split, dataset.scale, device, standard) for split in (chosen, dataset.test))
    return train, test
