"""Sharpness: the largest eigenvalue of the Hessian of the training loss, followed over training (Cohen et al. 2021).

Gradient descent with a constant rate η on a quadratic with curvature λ is stable up to λ = 2/η: beyond it, each step
makes the error larger. The Hessian itself is never built: Lanczos iteration (ARPACK, by SciPy) asks only for its
products with vectors, which come from differentiating twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.coming_batch import in_double
from bnviz.engine.network import Network
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.experiment import Experiment
from bnviz.experiment.schedule import rate_factor

RECORDS = 40
EXAMPLES = 5000
"""The most training examples whose loss is looked at, evenly spaced, as one mini-batch."""
TOLERANCE = 1e-3
"""The relative residual at which the iteration ends: the error of the eigenvalue is of the order of its square."""


def steps_of(experiment_steps: int) -> list[int]:
    """About RECORDS steps, evenly spaced, the first and the last included."""
    steps: list[int] = np.unique(np.linspace(0, experiment_steps, RECORDS).astype(np.int64)).tolist()
    return steps


def followed(experiment: Experiment) -> Iterator[tuple[float, Mapping[str, float]]]:
    """Train a network to its end; at about RECORDS steps, the share of the work done and what was measured.

    step; sharpness: the largest eigenvalue of the Hessian, NaN where the loss is not finite; loss: over the same
    examples, in training mode; limit: 2/η, infinite where η is 0.
    """
    trainer = Trainer(experiment)
    trainer.recorder.due = frozenset()  # nobody sees the records
    last, steps = experiment.steps, steps_of(experiment.steps)
    for place, step in enumerate(steps, 1):
        trainer.advance(step - trainer.step)
        if trainer.diverged_at is not None:
            return
        with one_thread():
            loss, sharpness = largest_curvature(trainer)
        rate = trainer.settings.learning_rate * rate_factor(trainer.settings, min(step, last - 1))
        limit = 2 / rate if rate else math.inf
        yield (
            place / len(steps),  # the eigenvalue takes far longer than the training up to it
            {"step": step, "sharpness": sharpness, "loss": loss, "limit": limit},
        )


def largest_curvature(trainer: Trainer) -> tuple[float, float]:
    """The loss over the training examples, at most EXAMPLES, and the largest eigenvalue of its Hessian.

    By the network in float64, in training mode: the statistics are those of these examples together, and the
    derivatives go through them. The Trainer is not changed.
    """
    inputs, labels = trainer.train.batch(trainer.train.spread(EXAMPLES).to(trainer.device))
    network = in_double(trainer)
    products, loss = hessian(network, inputs.cpu().double(), labels.cpu())
    if not math.isfinite(loss):
        return loss, math.nan
    start = np.random.default_rng(0).standard_normal(products.shape[0])
    try:
        (largest,) = eigsh(products, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)
    except ArpackError:  # as of a Hessian that is zero
        return loss, math.nan
    return loss, float(largest)


def hessian(network: Network, inputs: Tensor, labels: Tensor) -> tuple[LinearOperator, float]:
    """The Hessian of the mean loss for all parameters in their order, as an operator on vectors; and the loss."""
    parameters = list(network.parameters())
    loss = F.cross_entropy(network(inputs), labels)
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    gradient = torch.cat([item.flatten() for item in gradients])

    def product(vector: np.ndarray) -> np.ndarray:
        along = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1)))
        found = torch.autograd.grad(gradient, parameters, along, retain_graph=True, materialize_grads=True)
        return torch.cat([item.flatten() for item in found]).numpy()

    size = len(gradient)
    return LinearOperator((size, size), matvec=product, dtype=np.float64), loss.item()
