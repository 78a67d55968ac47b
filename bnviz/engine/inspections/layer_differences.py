"""The gradients of a batch-normalization layer by finite differences of the loss. Runs in a worker process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnviz.engine.inspections.coming_batch import coming, in_double
from bnviz.engine.inspections.passing import affine, batch_norm_of, in_training, onward, reached
from bnviz.engine.trainer import Trainer, one_thread
from bnviz.layer.captured import Gradients

NUDGE = 1e-5
"""The relative step of finite differences: in float64 their error is then about 1e-10 of the slope's scale."""


@torch.no_grad()
def differences(trainer: Trainer, layer: int, examples: int, unit: int) -> Gradients:
    """Central finite differences of the loss for one unit, counted from 1, of a fully connected layer.

    The fields of Gradients are those of this unit: x_hat and x (m,), the others (1,). As in the paper,
    ∂ℓ/∂σ² holds x and μ still, and ∂ℓ/∂μ lets σ² follow.
    """
    network = in_double(trainer)
    normalizer = batch_norm_of(network, layer)
    inputs, labels, _ = coming(trainer, examples)
    with one_thread():
        values = reached(network, inputs, layer, in_training)
        gamma, beta = (parameter[unit - 1] for parameter in affine(normalizer))
        column = values[:, unit - 1].clone()
        others = normalizer.as_in_training(values)

        def loss(x_hat: Tensor, gamma: Tensor = gamma, beta: Tensor = beta) -> float:
            y = others.clone()
            y[:, unit - 1] = gamma * x_hat + beta
            return float(F.cross_entropy(onward(network, y, layer, in_training), labels))

        def normalized(x: Tensor, mean: Tensor | None = None, variance: Tensor | None = None) -> Tensor:
            mean = x.mean() if mean is None else mean
            variance = ((x - mean) ** 2).mean() if variance is None else variance
            return (x - mean) / torch.sqrt(variance + normalizer.epsilon)

        mean, variance = column.mean(), column.var(unbiased=False)
        x_hat = normalized(column)
        scale = float(torch.sqrt(variance + normalizer.epsilon))
        return Gradients(
            x_hat=np.array([slope(lambda v: loss(v), x_hat, 1.0, at) for at in range(examples)]),
            variance=np.array([slope(lambda v: loss(normalized(column, mean, v)), variance, scale**2)]),
            mean=np.array([slope(lambda v: loss(normalized(column, v)), mean, scale)]),
            x=np.array([slope(lambda v: loss(normalized(v)), column, scale, at) for at in range(examples)]),
            gamma=np.array([slope(lambda v: loss(x_hat, gamma=v), gamma, 1.0)]),
            beta=np.array([slope(lambda v: loss(x_hat, beta=v), beta, 1.0)]),
        )


def slope(function: Callable[[Tensor], float], value: Tensor, scale: float, at: int | None = None) -> float:
    """The central difference of `function` at `value`, along its element `at` if it has several."""
    width = NUDGE * scale
    nudge = torch.zeros_like(value)
    nudge[... if at is None else at] = width
    return (function(value + nudge) - function(value - nudge)) / (2.0 * width)
