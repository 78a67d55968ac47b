"""The contenders of bnviz's training: a course notebook, with and without TensorBoard, and a bare loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader, TensorDataset

from bnviz.data import datasets
from bnviz.data.datasets import Dataset
from bnviz.experiment import Experiment

TORCHS: Mapping[str, Callable[[int, Experiment], nn.Module]] = MappingProxyType(
    {
        "batch": lambda features, base: nn.BatchNorm1d(features),
        "batch-no-affine": lambda features, base: nn.BatchNorm1d(features, affine=False),
        "layer": lambda features, base: nn.LayerNorm(features),
        "group": lambda features, base: nn.GroupNorm(base.groups, features),
        "rms": lambda features, base: nn.RMSNorm(features, eps=1e-5),
    }
)
"""PyTorch's module for each kind of normalization of units that it has."""

LOG_EVERY = 10
"""Steps between two histograms of each hidden layer."""


def sequential(base: Experiment, inputs: int, classes: int) -> nn.Sequential:
    """The network as PyTorch's own layers."""
    layers: list[nn.Module] = []
    widths = (inputs, *base.hidden)
    for fan_in, features in itertools.pairwise(widths):
        linear: nn.Module = nn.Linear(fan_in, features)
        if base.normalizer == "weight":
            linear = weight_norm(linear)
        layers.append(linear)
        if base.normalizer in TORCHS:
            layers.append(TORCHS[base.normalizer](features, base))
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def examples_in_memory(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The training split's inputs, (N, inputs) float32, and labels."""
    train = dataset.train
    inputs = torch.tensor(train.inputs.reshape(len(train.inputs), -1)).float() * dataset.scale
    return inputs, torch.tensor(train.labels)


class BareLoop:
    """A loop over tensors in memory and nothing else: no DataLoader, no optimizer, no record."""

    def __init__(self, base: Experiment) -> None:
        dataset = datasets.load(base.dataset)
        self.inputs, self.labels = examples_in_memory(dataset)
        self.network = sequential(base, self.inputs.shape[1], len(dataset.classes))
        self.parameters = list(self.network.parameters())
        self.base = base
        self.batches = self._batches()

    def _batches(self) -> Iterator[Tensor]:
        size = self.base.batch_size
        while True:
            order = torch.randperm(len(self.labels))
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]

    def train(self, steps: int) -> None:
        """Take `steps` steps."""
        for chosen in itertools.islice(self.batches, steps):
            loss = F.cross_entropy(self.network(self.inputs[chosen]), self.labels[chosen])
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                for parameter, gradient in zip(self.parameters, gradients, strict=True):
                    parameter.sub_(gradient, alpha=self.base.learning_rate)


class Notebook:
    """What a course notebook does: an nn.Sequential, a DataLoader over a TensorDataset, torch.optim.SGD."""

    def __init__(self, base: Experiment) -> None:
        dataset = datasets.load(base.dataset)
        inputs, labels = examples_in_memory(dataset)
        self.network = sequential(base, inputs.shape[1], len(dataset.classes))
        examples = TensorDataset(inputs, labels)
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

    What a user would choose without bnviz. Raises ImportError without the package tensorboard.
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
