"""A dataset's examples as tensors on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor

from bnviz.datasets import Split


class Examples:
    """One split. Pixels stay small integers, scaled batch by batch: a quarter of the memory, as fast."""

    def __init__(self, split: Split, scale: float, device: torch.device) -> None:
        self.inputs = torch.tensor(split.inputs.reshape(len(split.inputs), -1), device=device)
        self.labels = torch.tensor(split.labels, device=device)
        self.scale = scale

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (B, inputs) float32 as the network sees them, and labels (B,)."""
        inputs = self.inputs[index].float()
        return inputs.mul_(self.scale) if self.scale != 1.0 else inputs, self.labels[index]

    def spread(self, count: int) -> Tensor:
        """The indices of at most `count` examples, evenly spaced over the split."""
        return torch.linspace(0, len(self) - 1, min(count, len(self))).long()
