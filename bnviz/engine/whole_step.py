"""A training step that a device repeats as a whole: it is neither told the operations anew nor waited for.

An operation of a small network takes a GPU less time than telling the GPU of it. So the operations of one step are
captured once, as a CUDA graph, and only the graph is launched from then on. Nothing waits for the device between
records: the loss is not read. Instead the device itself makes no update from the first loss on that is not a finite
number, and counts the updates made, which is read at records.

Its speed has not been measured on a GPU. Tests hold its numbers to the ordinary step with `Repeated` in place of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.network import Network
from bnviz.engine.optimizers import Momentum, Optimizer, clipped
from bnviz.experiment import Experiment

Work = Callable[[], None]

WARM_UP = 3
"""Steps that CUDA wants made before it captures one; their traces are undone."""
STEADY = frozenset({"none", "batch", "batch-no-affine", "layer", "group", "instance", "rms"})
"""The normalizers that do the same in every step and draw no numbers."""


class Device(Protocol):
    """Something that can repeat work."""

    def captured(self, work: Work) -> Work:
        """What repeats the work on the same tensors. The work may be done several times meanwhile."""


class CudaGraphs:
    """By CUDA graphs (torch.cuda.CUDAGraph)."""

    def captured(self, work: Work) -> Work:
        """As in Device."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        replay: Work = graph.replay
        return replay


class Repeated:
    """By doing the work again: the stand-in for a GPU."""

    def captured(self, work: Work) -> Work:
        """As in Device."""
        for _ in range(WARM_UP):
            work()
        return work


class WholeStep:
    """One network's training step.

    gradients, steps: of the latest step, like the parameters; they are overwritten by the next one.
    """

    def __init__(self, network: Network, optimizer: Optimizer, device: Device) -> None:
        self.network, self.optimizer, self.device = network, optimizer, device
        self.parameters = list(network.parameters())
        place = self.parameters[0].device
        self.rate = torch.zeros((), device=place)
        self.finite = torch.ones((), dtype=torch.bool, device=place)
        self.taken = torch.zeros((), dtype=torch.int64, device=place)
        self.gradients: Sequence[Tensor] = ()
        self.steps: Sequence[Tensor] = ()
        self.inputs = self.labels = torch.empty(0, device=place)
        self.settings: Experiment | None = None
        self.repeat: Work | None = None

    @staticmethod
    def takes(experiment: Experiment) -> bool:
        """Whether a step is the same work as the one before, but for mini-batch and rate, on all parameters."""
        return (
            experiment.optimizer in ("sgd", "nesterov")
            and experiment.normalizer in STEADY
            and not experiment.dropout
            and experiment.trainable == "all"
        )

    def __getstate__(self) -> dict[str, object]:
        """What a copy has: everything but the captured work, which is captured again."""
        return self.__dict__ | {"repeat": None, "settings": None}

    def take(self, inputs: Tensor, labels: Tensor, settings: Experiment, rate: float) -> None:
        """Have the device take the next step; returns before it is taken."""
        fixed = settings.replace(learning_rate=0.0)
        if fixed != self.settings:
            self.settings = fixed
            self.inputs, self.labels = inputs.clone(), labels.clone()
            self.repeat = self._captured()
        assert self.repeat is not None
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.rate.fill_(rate)
        self.repeat()

    def go_on_from(self, step: int, finite: bool) -> None:
        """Count on from so many steps. finite: whether every loss so far was a finite number."""
        self.taken.fill_(step)
        self.finite.fill_(finite)

    def _captured(self) -> Work:
        """The work captured, with everything as it was before."""
        kept = [tensor.detach().clone() for tensor in self._changed]
        self.rate.zero_()
        repeat = self.device.captured(self._work)
        with torch.no_grad():
            for tensor, before in zip(self._changed, kept, strict=True):
                tensor.copy_(before)
        return repeat

    @property
    def _changed(self) -> list[Tensor]:
        """All that a step writes."""
        velocities = self.optimizer.velocities if isinstance(self.optimizer, Momentum) else []
        return [*self.parameters, *self.network.buffers(), *velocities, self.finite, self.taken]

    def _work(self) -> None:
        """Forward, backward, and the update if every loss so far was a finite number."""
        settings = self.settings
        assert settings is not None
        loss = F.cross_entropy(self.network(self.inputs), self.labels)
        self.gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            self.finite.logical_and_(torch.isfinite(loss))
            followed = list(self.gradients)
            if settings.gradient_clipping:
                followed = clipped(followed, settings.gradient_clipping)
            self.steps = self.optimizer.step(followed, settings)
            for parameter, step in zip(self.parameters, self.steps, strict=True):
                parameter.copy_(torch.where(self.finite, parameter - self.rate * step, parameter))
            self.taken.add_(self.finite)


def whole_step(network: Network, optimizer: Optimizer, experiment: Experiment) -> WholeStep | None:
    """The whole step of a network on a GPU, where the experiment allows it; None elsewhere."""
    on_gpu = next(network.parameters()).device.type == "cuda"
    return WholeStep(network, optimizer, CudaGraphs()) if on_gpu and WholeStep.takes(experiment) else None
