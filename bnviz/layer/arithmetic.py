"""Algorithm 1 (Ioffe & Szegedy 2015) and the gradients of Section 3 for one unit, written beside the paper.

One unit has m values in a mini-batch: x, (m,), float64. Nothing here knows of a network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Forward:
    """Every line of Algorithm 1 for one unit. Arrays are (m,).

    root: √(σ² + ε). scaled: γ·x̂. gamma, beta: a number, or (m,) where each value has its own.
    """

    x: Array
    mean: float
    deviation: Array
    square: Array
    variance: float
    root: float
    x_hat: Array
    scaled: Array
    y: Array
    gamma: float | Array
    beta: float | Array
    epsilon: float


def forward(
    x: Array, gamma: float | Array, beta: float | Array, epsilon: float, centered: bool = True
) -> Forward:
    """Algorithm 1, line by line. x: (m,). centered: False for RMS normalization, which subtracts no mean."""
    mean = float(x.mean()) if centered else 0.0  # μ_B
    deviation = x - mean
    square = deviation**2
    variance = float(square.mean())  # σ²_B, biased: divided by m
    root = float(np.sqrt(variance + epsilon))
    x_hat = deviation / root  # x̂
    scaled = gamma * x_hat
    y = scaled + beta
    return Forward(x, mean, deviation, square, variance, root, x_hat, scaled, y, gamma, beta, epsilon)


@dataclass(frozen=True, eq=False)
class Backward:
    """The six gradients of Section 3 for one unit. x_hat, x: (m,)."""

    x_hat: Array
    variance: float
    mean: float
    x: Array
    gamma: float
    beta: float


def backward(lines: Forward, dy: Array) -> Backward:
    """The six formulas of Section 3, in the paper's order. dy: ∂ℓ/∂y, (m,)."""
    m = len(dy)
    x_hat = dy * lines.gamma
    variance = float((x_hat * lines.deviation).sum() * -0.5 * (lines.variance + lines.epsilon) ** -1.5)
    mean = float(-x_hat.sum() / lines.root + variance * (-2.0 * lines.deviation).sum() / m)
    x = x_hat / lines.root + variance * 2.0 * lines.deviation / m + mean / m
    return Backward(x_hat, variance, mean, x, float((dy * lines.x_hat).sum()), float(dy.sum()))


def backward_in_one_line(lines: Forward, dy: Array) -> Array:
    """∂ℓ/∂x, (m,), with ∂ℓ/∂σ² and ∂ℓ/∂μ put in and simplified, as courses ask for it. dy: ∂ℓ/∂y, (m,)."""
    m = len(dy)
    return np.asarray(
        lines.gamma / (m * lines.root) * (m * dy - dy.sum() - lines.x_hat * (dy * lines.x_hat).sum())
    )


def as_if_constant(lines: Forward, dy: Array) -> Backward:
    """The gradients if μ and σ² are taken for constants, against which Section 2 warns."""
    whole = backward(lines, dy)
    return Backward(whole.x_hat, 0.0, 0.0, whole.x_hat / lines.root, whole.gamma, whole.beta)


def undoing(x: Array, epsilon: float) -> tuple[float, float]:
    """The γ and β with which the layer gives back x: √(Var[x] + ε) and E[x]. x: any shape.

    The paper writes γ = √Var[x], which is the same but for ε.
    """
    return float(np.sqrt(x.var() + epsilon)), float(x.mean())


def running_average(values: Array, newest: float, start: float) -> Array:
    """A moving average, before the first and after each of the T values. values: (T,). Returns (T + 1,).

    newest: the weight of the newest value, from 0 to 1, called momentum in most libraries.
    """
    averages = np.empty(len(values) + 1)
    averages[0] = start
    for step, value in enumerate(np.asarray(values, np.float64)):
        averages[step + 1] = (1.0 - newest) * averages[step] + newest * value
    return averages


def unbiased(variance: Array, values: int) -> Array:
    """m/(m − 1)·σ²: an estimate of the population's variance from that of a sample of m = `values`."""
    return np.asarray(variance * values / (values - 1))
