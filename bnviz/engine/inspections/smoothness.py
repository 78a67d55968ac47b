"""How smooth the loss is along the gradient, followed over training (Santurkar et al. 2018, Figure 4).

At step t, with the parameters w, the step's own mini-batch and its gradient g: the loss and the gradient at w − s·g,
for steps s from 1/2 to 4 times the learning rate, as in the paper. Three numbers come of it: the range of the loss,
the largest change of the gradient ‖∇L(w − s·g) − g‖, and the effective β-smoothness, the largest change over its
distance ‖s·g‖.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bnviz.engine.inspections.shift import random_generators
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.experiment.progress import report
from bnviz.experiment.schedule import rate_factor

RECORDS = 30
REACH = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
"""Multiples of the learning rate, up to which the loss is followed along the gradient."""


def over_training(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """All that `followed` finds in a second training equal to the Trainer's, as arrays.

    steps, loss: (R,). losses, change, distance: (R, len(REACH)).
    """
    rows = []
    for share, row in followed(trainer.experiment):
        rows.append(row)
        report(share)
    sizes = {"steps": (0,), "loss": (0,), "losses": (0, len(REACH)), "change": (0, len(REACH))}
    return {
        name: np.array([row[name] for row in rows]) if rows else np.empty(shape)
        for name, shape in (sizes | {"distance": (0, len(REACH))}).items()
    }


def followed(experiment: Experiment) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Train a network; at about RECORDS steps, the share of the work done, and loss and gradient along the gradient.

    steps: the step, before its update. loss: at the weights themselves; losses: (len(REACH),), along the gradient.
    change: ‖∇L(w − s·g) − g‖; distance: ‖s·g‖; both (len(REACH),). All in training mode, on the mini-batch of the step.
    A loss that is not finite is infinite, its change too.
    """
    trainer = Trainer(experiment)
    trainer.recorder.due = frozenset()  # nobody sees the records
    steps = recorded_steps(experiment.steps)
    for place, step in enumerate(steps, start=1):
        trainer.advance(step - trainer.step)
        if trainer.diverged_at is not None:
            return
        rate = trainer.settings.learning_rate * rate_factor(trainer.settings, step)
        with one_thread():
            found = along_gradient(trainer.network, trainer.upcoming_batch(), [rate * far for far in REACH])
        losses, change, distance = (np.array(item) for item in found)
        yield (
            place / len(steps),
            {
                "steps": step,
                "loss": losses[0],
                "losses": losses[1:],
                "change": change[1:],
                "distance": distance[1:],
            },
        )


def recorded_steps(last: int) -> list[int]:
    """About RECORDS steps from 0 on, before the last, evenly spaced."""
    steps: list[int] = np.unique(np.linspace(0, last, RECORDS, endpoint=False).astype(np.int64)).tolist()
    return steps


def along_gradient(
    network: Network, batch: tuple[Tensor, Tensor], sizes: Sequence[float]
) -> list[list[float]]:
    """Losses, changes of the gradient and distances, each at 0 and then at every step size.

    The network is not changed. Noise and dropout are drawn alike at all points.
    """
    moved = copy.deepcopy(network)
    states = [rng.get_state() for rng in random_generators(moved)]
    parameters = list(moved.parameters())
    start = [parameter.detach().clone() for parameter in parameters]
    loss, gradient = loss_and_gradient(moved, batch)
    length = math.sqrt(sum(float((item.double() ** 2).sum()) for item in gradient))
    losses, changes, distances = [loss], [0.0], [0.0]
    for size in sizes:
        for rng, state in zip(random_generators(moved), states, strict=True):
            rng.set_state(state)
        with torch.no_grad():
            for parameter, own, direction in zip(parameters, start, gradient, strict=True):
                parameter.copy_(own - size * direction)
        there, turned = loss_and_gradient(moved, batch)
        change = math.sqrt(
            sum(
                float(((new.double() - old.double()) ** 2).sum())
                for new, old in zip(turned, gradient, strict=True)
            )
        )
        finite = math.isfinite(there) and math.isfinite(change)
        losses.append(there if finite else math.inf)
        changes.append(change if finite else math.inf)
        distances.append(size * length)
    return [losses, changes, distances]


def loss_and_gradient(network: Network, batch: tuple[Tensor, Tensor]) -> tuple[float, tuple[Tensor, ...]]:
    """The mini-batch's mean loss in training mode, and its gradient for all parameters."""
    inputs, labels = batch
    loss = torch.nn.functional.cross_entropy(network(inputs), labels)
    return loss.item(), torch.autograd.grad(loss, list(network.parameters()))
