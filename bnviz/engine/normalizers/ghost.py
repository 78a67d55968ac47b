"""Ghost batch normalization (Hoffer, Hubara & Soudry 2017): a large mini-batch normalized in small parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.normalizers.base import DEFAULT, Settings
from bnviz.engine.normalizers.batch import BatchStatistics


class GhostBatchNorm(BatchStatistics):
    """Batch normalization of every `ghost_batch` examples by their own statistics (Algorithm 1 of the paper).

    The running statistics take in one ghost batch after the other. A remainder is a smaller ghost batch; a
    remainder of one example, which has no variance, joins the ghost batch before it.
    """

    def __init__(self, features: int, settings: Settings = DEFAULT) -> None:
        super().__init__(features, affine=True, settings=settings)
        self.ghost_batch = settings.ghost_batch

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each ghost batch in training, by the running statistics in evaluation mode."""
        running = self.running_mean, self.running_var
        if not self.training:
            return F.batch_norm(x, *running, self.gamma, self.beta, False, self.momentum, self.epsilon)
        parts = [
            F.batch_norm(part, *running, self.gamma, self.beta, True, self.momentum, self.epsilon)
            for part in torch.split(x, self.sizes(len(x)))
        ]
        return torch.cat(parts)

    def as_in_training(self, x: Tensor) -> Tensor:
        """Normalize each ghost batch and remember no statistics."""
        parts = [
            F.batch_norm(part, None, None, self.gamma, self.beta, True, 0.0, self.epsilon)
            for part in torch.split(x, self.sizes(len(x)))
        ]
        return torch.cat(parts)

    def sizes(self, examples: int) -> list[int]:
        """How many examples each ghost batch of a mini-batch has."""
        whole, rest = divmod(examples, self.ghost_batch)
        sizes = [self.ghost_batch] * whole
        if rest == 1 and sizes:
            sizes[-1] += 1
        elif rest:
            sizes.append(rest)
        return sizes

    def shares(self, shape: Sequence[int]) -> Tensor:
        """All values of a feature in a ghost batch."""
        sizes = self.sizes(shape[0])
        ghosts = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        ids = ghosts.unsqueeze(1) * shape[1] + torch.arange(shape[1])  # (B, F)
        return ids.view(*shape[:2], *[1] * (len(shape) - 2)).expand(*shape)
