"""What bnviz's training is measured against: what a course notebook does, with and without a logbook."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bnviz import datasets
from bnviz.experiment import Experiment

LOG_EVERY = 10
"""Steps between two histograms of each hidden layer."""


class Notebook:
    """What a course notebook does: an nn.Sequential, a DataLoader over a TensorDataset, torch.optim.SGD."""

    def __init__(self, base: Experiment) -> None:
        dataset = datasets.load(base.dataset)
        train = dataset.train
        inputs = torch.tensor(train.inputs.reshape(len(train.inputs), -1)).float() * dataset.scale
        layers: list[nn.Module] = []
        widths = (inputs.shape[1], *base.hidden)
        for fan_in, features in itertools.pairwise(widths):
            layers.append(nn.Linear(fan_in, features))
            if base.normalizer == "batch":
                layers.append(nn.BatchNorm1d(features))
            layers.append(nn.Sigmoid())
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], len(dataset.classes)))
        examples = TensorDataset(inputs, torch.tensor(train.labels))
        self.loader = DataLoader(examples, batch_size=base.batch_size, shuffle=True, drop_last=True)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=base.learning_rate)
        self.batches = (batch for _ in itertools.count() for batch in self.loader)  # epoch after epoch
        self.step = 0

    def train(self, steps: int) -> None:
        """Take `steps` steps."""
        for inputs, labels in itertools.islice(self.batches, steps):
            self.optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(self.network(inputs), labels))
            self.optimizer.step()
            self.step += 1
            self.log()

    def log(self) -> None:
        """Record nothing."""


class LoggedNotebook(Notebook):
    """The same with TensorBoard: the input of each sigmoid as a histogram, every LOG_EVERY steps.

    The recording that a user would otherwise choose. Raises ImportError without the package tensorboard.
    """

    def __init__(self, base: Experiment, folder: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        super().__init__(base)
        self.writer = SummaryWriter(folder)
        self.received: dict[str, Tensor] = {}
        sigmoids = [item for item in self.network if isinstance(item, nn.Sigmoid)]
        for number, sigmoid in enumerate(sigmoids, start=1):
            sigmoid.register_forward_pre_hook(self._keeper(f"layer {number}"))

    def _keeper(self, name: str):  # type: ignore[no-untyped-def]
        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self.received[name] = inputs[0].detach()

        return keep

    def log(self) -> None:
        """Write a histogram for each layer, every LOG_EVERY steps."""
        if self.step % LOG_EVERY == 0:
            for name, values in self.received.items():
                self.writer.add_histogram(name, values, self.step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()
