"""How smooth the loss is along the gradient, followed over training (Santurkar et al. 2018, Figure 4).

At step t, with the parameters w, the step's own mini-batch and its gradient g: the loss and the gradient at w − s·g,
for steps s from 1/2 to 4 times the learning rate, as in the paper. Three numbers come of it: the range of the loss,
the largest change of the gradient ‖∇L(w − s·g) − g‖, and the effective β-smoothness, the largest change over its
distance ‖s·g‖.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bnviz.engine.inspections.shift import random_generators
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment.progress import report
from bnviz.experiment.schedule import rate_factor

RECORDS = 30
REACH = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
"""Multiples of the learning rate, up to which the loss is followed along the gradient."""


def over_training(trainer: Trainer) -> Mapping[str, np.ndarray]:
    """Loss and gradient along the gradient at about RECORDS steps, in a second training equal to the Trainer's.

    steps: (R,), each before its update. loss: (R,), at the weights themselves; losses: (R, len(REACH)), along the
    gradient. change: (R, len(REACH)), ‖∇L(w − s·g) − g‖; distance: (R, len(REACH)), ‖s·g‖. All in training mode, on
    the mini-batch of the step. A loss that is not finite is infinite, its change too.
    """
    twin = Trainer(trainer.experiment)
    twin.recorder.due = frozenset()  # all that is recorded there is
    rows = []
    steps = recorded_steps(trainer.experiment.steps)
    with one_thread():
        for step in steps:
            twin.advance(step - twin.step)
            if twin.diverged_at is not None:
                break
            rate = twin.settings.learning_rate * rate_factor(twin.settings, step)
            rows.append(along_gradient(twin.network, twin.upcoming_batch(), [rate * far for far in REACH]))
            report((step + 1) / trainer.experiment.steps)
    measured = np.array(rows, np.float64).reshape(len(rows), 3, 1 + len(REACH))
    return {
        "steps": np.array(steps[: len(rows)], np.int64),
        "loss": measured[:, 0, 0],
        "losses": measured[:, 0, 1:],
        "change": measured[:, 1, 1:],
        "distance": measured[:, 2, 1:],
    }


def recorded_steps(last: int) -> list[int]:
    """About RECORDS steps from 0 on, before the last, evenly spaced."""
    return np.unique(np.linspace(0, last, RECORDS, endpoint=False).astype(np.int64)).tolist()


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
