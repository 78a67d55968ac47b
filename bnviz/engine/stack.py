"""Many networks of one shape trained together, as one stack of tensors: a grid of learning rates and seeds.

Network k of the stack belongs to the k-th of K Trainers; its parameters and running statistics are views into the
stack. So it starts, gets its mini-batches and is recorded exactly as if it trained alone. Only the order of additions
differs: its numbers agree to float tolerance.

Shapes: K networks, B examples in a mini-batch, F features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.data.datasets import load
from bnviz.engine.network import ACTIVATION_FUNCTIONS
from bnviz.engine.normalizers import BatchNorm
from bnviz.engine.normalizers.base import EPSILON, MOMENTUM
from bnviz.engine.recorder import Update
from bnviz.engine.trainer import Trainer, one_thread, pick_device
from bnviz.experiment import Experiment, ExperimentError
from bnviz.recording import Recording, Snapshot

FREE = ("seed", "learning_rate", "init", "init_scale", "first_layer_scale", "momentum", "weight_decay")
"""Fields in which networks of one stack may differ; all others must agree."""
PLAIN = (
    "optimizer",
    "schedule",
    "warmup",
    "gradient_clipping",
    "norm_placement",
    "normalized_layers",
    "norm_momentum",
    "norm_epsilon",
    "bias",
    "residual",
    "trainable",
)
"""Fields that must be at their defaults: a stack trains by plain SGD, and normalizes as the paper does."""
FEWEST = 6
"""From so many networks on, a stack is faster than training one after the other."""
MOST_WEIGHTS = 25_000
"""Up to so many weights, a step on a CPU is mostly overhead, which the networks of a stack share. With more, a stack
is slower. Measured by `python -m bnviz bench --part stacking`."""


def worth_stacking(experiments: Sequence[Experiment]) -> bool:
    """Whether these stackable experiments train faster as a stack than one after the other."""
    first, dataset = experiments[0], load(experiments[0].dataset, experiments[0].image_side)
    widths = (math.prod(dataset.shape), *first.hidden, len(dataset.classes))
    small = sum(a * b for a, b in itertools.pairwise(widths)) <= MOST_WEIGHTS
    return len(experiments) >= FEWEST and (small or pick_device(first.device).type != "cpu")


def stackable(experiments: Sequence[Experiment]) -> bool:
    """Whether these can train as one stack: layers of units, plain or with batch normalization, of one shape."""
    first = experiments[0]
    alike = {item.replace(**{name: getattr(first, name) for name in FREE}) for item in experiments}
    return (
        len(alike) == 1
        and first.architecture == "mlp"
        and first.normalizer in ("none", "batch")
        and first.dropout == 0
        and all(getattr(first, name) == Experiment.default(name) for name in PLAIN)
    )


class StackedTrainer:
    """Trains K networks of one shape in lockstep. Raises ExperimentError if they cannot be stacked."""

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        if not experiments or not stackable(experiments):
            raise ExperimentError(
                "these experiments cannot be stacked; allowed are fully connected networks without dropout, plain or "
                f"with batch normalization, trained by SGD at a constant rate, that differ only in {', '.join(FREE)}"
            )
        self.trainers = [Trainer(item) for item in experiments]
        seeds = list(dict.fromkeys(item.seed for item in experiments))
        # Networks of one seed see the same mini-batches, which are then drawn once.
        self.orders = [Trainer(experiments[0].replace(seed=seed)) for seed in seeds]
        self.order_of = torch.tensor([seeds.index(item.seed) for item in experiments])
        first = self.trainers[0]
        self.experiment = first.experiment
        self.parameters = [
            self._one_tensor(tensors)
            for tensors in zip(*(item.parameters for item in self.trainers), strict=True)
        ]
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.running = [
            (
                self._one_tensor([item.running_mean for item in layer]).view(-1),
                self._one_tensor([item.running_var for item in layer]).view(-1),
            )
            for layer in zip(*(_batch_norms(item) for item in self.trainers), strict=True)
        ]
        self.rates = self._each("learning_rate")
        self.momenta = self._each("momentum")
        self.decays = self._each("weight_decay")
        self.activation = ACTIVATION_FUNCTIONS[self.experiment.activation]
        self.going = torch.ones(len(self.trainers), dtype=torch.bool, device=first.device)
        self.step = 0

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train: all steps are taken, or every network has diverged."""
        return self.step >= self.experiment.steps or not self.going.any()

    def advance(self, steps: int) -> list[list[Snapshot]]:
        """Up to `steps` updates of every network; what was recorded, network by network. See Trainer.advance."""
        goal = min(self.step + steps, self.experiment.steps)
        snapshots: list[list[Snapshot]] = [[] for _ in self.trainers]
        with one_thread():
            if not self.trainers[0].started:
                for trainer, own in zip(self.trainers, snapshots, strict=True):
                    trainer.started = True
                    own.append(trainer.recorder.snapshot(0, None))
            while self.step < goal and self.going.any():
                gradients = self._backward()
                taken = self._update(gradients)
                self.step += 1
                if self.step in self.trainers[0].recorder.due:
                    for index, own in enumerate(snapshots):
                        self._record(index, gradients, taken, own)
        for trainer in self.trainers:
            trainer.step = self.step if trainer.diverged_at is None else trainer.diverged_at
        return snapshots

    def _backward(self) -> list[Tensor]:
        """The gradients of each network's loss, (K, …); a network whose loss is not finite has diverged."""
        for order in self.orders:
            order.step = self.step
        inputs, labels = zip(*(order.next_batch() for order in self.orders), strict=True)
        scores = self._scores(torch.stack(inputs)[self.order_of])
        count, size, classes = scores.shape
        wanted = torch.stack(labels)[self.order_of].view(-1)
        each = F.cross_entropy(scores.view(-1, classes), wanted, reduction="none").view(count, size).mean(1)
        ended = self.going & ~torch.isfinite(each)
        if ended.any():
            for index in ended.nonzero().flatten().tolist():
                self._diverged(index)
        return list(torch.autograd.grad(each.sum(), self.parameters))

    def _diverged(self, index: int) -> None:
        self.trainers[index].diverged_at = self.step
        self.going[index] = False

    def _scores(self, x: Tensor) -> Tensor:
        """(K, B, inputs) -> (K, B, classes), in training."""
        parameters = iter(self.parameters)
        for layer in range(len(self.experiment.hidden)):
            weight = next(parameters)
            if self.experiment.normalizer == "batch":
                x = self._normalized(torch.bmm(x, weight.mT), layer, next(parameters), next(parameters))
            else:
                x = torch.baddbmm(next(parameters).unsqueeze(1), x, weight.mT)
            x = self.activation(x)
        weight = next(parameters)
        return torch.baddbmm(next(parameters).unsqueeze(1), x, weight.mT)

    def _normalized(self, x: Tensor, layer: int, gamma: Tensor, beta: Tensor) -> Tensor:
        """Algorithm 1 in each network, its statistics over its own mini-batch: K·F features side by side."""
        count, size, features = x.shape
        side_by_side = x.transpose(0, 1).reshape(size, count * features)
        y = F.batch_norm(
            side_by_side, *self.running[layer], gamma.view(-1), beta.view(-1), True, MOMENTUM, EPSILON
        )
        return y.view(size, count, features).transpose(0, 1)

    @torch.no_grad()
    def _update(self, gradients: list[Tensor]) -> list[Tensor]:
        """Stochastic gradient descent in every network that has not diverged; what was subtracted."""
        steps = gradients
        if self.decays.any():
            steps = [g + _along(self.decays, p) * p for g, p in zip(steps, self.parameters, strict=True)]
        if self.momenta.any():
            self.velocities = [
                _along(self.momenta, v) * v + s for v, s in zip(self.velocities, steps, strict=True)
            ]
            steps = self.velocities
        if self.going.all():
            changes = [step * _along(self.rates, step) for step in steps]
        else:  # not times 0, which leaves NaN
            changes = [
                torch.where(_along(self.going, step), step * _along(self.rates, step), 0.0) for step in steps
            ]
        torch._foreach_sub_(self.parameters, changes)
        return steps

    def _record(self, index: int, gradients: list[Tensor], taken: list[Tensor], own: list[Snapshot]) -> None:
        trainer = self.trainers[index]
        if trainer.diverged_at is not None:
            return
        update = Update(
            [item[index] for item in gradients],
            [item[index] for item in taken],
            trainer.settings.learning_rate,
        )
        snapshot = trainer.recorder.snapshot(self.step, update)
        if np.isfinite(snapshot.layers[:, 0]).all():
            own.append(snapshot)
        else:
            self._diverged(index)

    def _each(self, name: str) -> Tensor:
        """A field of every experiment, (K,)."""
        values = [float(getattr(item.experiment, name)) for item in self.trainers]
        return torch.tensor(values, device=self.trainers[0].device)

    def _one_tensor(self, tensors: Sequence[Tensor]) -> Tensor:
        """The tensors stacked, (K, …); each becomes a view of its part."""
        stack = torch.stack([item.detach() for item in tensors])
        for own, part in zip(tensors, stack, strict=True):
            own.data = part
        return stack.requires_grad_(tensors[0].requires_grad)


def train_stacked(
    experiments: Sequence[Experiment], report: Callable[[int], None] = lambda step: None, chunk: int = 20
) -> list[Recording]:
    """Train all to their ends as one stack and return their Recordings. report: called with the step every `chunk`."""
    stack = StackedTrainer(experiments)
    recordings = [Recording(item.experiment, provenance=item.provenance) for item in stack.trainers]
    while not all(recording.finished for recording in recordings):
        recordings = [
            recording.extended(snapshots, diverged_at=trainer.diverged_at)
            for recording, snapshots, trainer in zip(
                recordings, stack.advance(chunk), stack.trainers, strict=True
            )
        ]
        report(stack.step)
    return recordings


def _batch_norms(trainer: Trainer) -> list[BatchNorm]:
    return [item.normalizer for item in trainer.network.hidden if isinstance(item.normalizer, BatchNorm)]


def _along(values: Tensor, like: Tensor) -> Tensor:
    """(K,) shaped to be multiplied with (K, …)."""
    return values.view(-1, *[1] * (like.dim() - 1))
