"""The order of the training examples: anew in each epoch, cut into mini-batches of random or of chosen classes.

Shapes: N training examples, B examples in a mini-batch.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bnviz.experiment import Experiment, ExperimentError


class BatchOrder:
    """Which examples each step sees. An incomplete mini-batch is left out, in each epoch another.

    labels: (N,), the classes of the training examples. rng: draws the order, once for each epoch.
    size: B. batches: the mini-batches of an epoch.
    Raises ExperimentError where the examples do not suffice for mini-batches of so many classes.
    """

    def __init__(self, experiment: Experiment, labels: Tensor, rng: Generator) -> None:
        self.rng, self.device = rng, labels.device
        self.size = experiment.batch_of(len(labels))
        self.classes = experiment.batch_classes
        self.labels = labels.cpu()
        self.batches = len(labels) // self.size
        if self.classes:
            self.share = max(1, self.size // self.classes)
            self.members = [torch.nonzero(self.labels == label)[:, 0] for label in torch.unique(self.labels)]
            self.batches = len(together([len(item) // self.share for item in self.members], self.classes))
            if self.size % self.classes or not self.batches:
                raise ExperimentError(
                    f"batch_classes = {self.classes} is not allowed with batch_size = {experiment.batch_size} and "
                    f"these {len(self.labels):,} training examples of {len(self.members)} classes, which must fill "
                    f"a mini-batch with {self.classes} classes in equal parts; allowed is 0, or a smaller batch_size"
                )
        self.epoch = torch.empty(0, dtype=torch.int64)

    def at(self, step: int) -> Tensor:
        """The indices, (B,), of the examples of a step. Steps are asked for in their order, each once."""
        place = step % self.batches
        if place == 0:
            self.epoch = self._drawn(self.rng).to(self.device)
        return self.epoch[place * self.size : (place + 1) * self.size]

    def coming(self, step: int, count: int) -> Tensor:
        """The first `count` indices from those of the coming step on, in this epoch; nothing is drawn by it."""
        place = step % self.batches
        epoch = self._drawn(self.rng.clone_state()) if place == 0 else self.epoch
        return torch.roll(epoch, -place * self.size)[:count].to(self.device)

    def _drawn(self, rng: Generator) -> Tensor:
        """The order of an epoch, at least batches · B indices."""
        if not self.classes:
            return torch.randperm(len(self.labels), generator=rng)
        members = [self.members[place] for place in torch.randperm(len(self.members), generator=rng)]
        shuffled = [item[torch.randperm(len(item), generator=rng)] for item in members]
        shares = [iter(item.split(self.share)) for item in shuffled]
        chosen = together([len(item) // self.share for item in members], self.classes)
        batches = [torch.cat([next(shares[place]) for place in places]) for places in chosen]
        return torch.cat([batches[place] for place in torch.randperm(len(batches), generator=rng)])


def together(counts: list[int], size: int) -> list[list[int]]:
    """Groups of `size` different kinds, as many as there are, from so many pieces of each kind.

    Each group takes a piece of the kinds with the most left, which leaves as few pieces over as can be. How many
    groups there are does not depend on the order of the kinds.
    """
    left = list(counts)
    groups: list[list[int]] = []
    while True:
        places = sorted(range(len(left)), key=lambda place: -left[place])[:size]
        if len(places) < size or not left[places[-1]]:
            return groups
        for place in places:
            left[place] -= 1
        groups.append(places)
