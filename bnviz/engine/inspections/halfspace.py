"""Length and direction apart: a halfspace learned from Gaussian inputs, where the theory is exact.

Kohler et al. 2019, "Exponential convergence rates for Batch Normalization", Sections 3 and 4. u = −y·x is Gaussian with
mean m and covariance Σ; S = E[uuᵀ] = Σ + mmᵀ. The loss is f(v) = E[φ(vᵀu)], with φ(s) = log(1 + eˢ). Batch norm of the
linear unit writes v = g·w/‖w‖_S, ‖w‖_S² = wᵀSw = E[(wᵀu)²]: g is the length, γ, and w the direction.

All expectations are exact: vᵀu is Gaussian, so that an integral over one variable gives them (Gauss-Hermite).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from bnviz.engine.trainer import Trainer

Array = np.ndarray

INPUTS = 20
CONDITION = 10.0
"""The largest over the smallest eigenvalue of Σ."""
SEPARATION = 1.5
"""√(mᵀΣ⁻¹m): how far the mean lies from the plane, in deviations."""
STEPS = 120
RATES = np.geomspace(0.5, 100.0, 24)
"""Of plain gradient descent; the best of them is reported."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
LONGEST = 1e4
"""Of g, when it is searched for."""


@dataclass(frozen=True, eq=False)
class Halfspace:
    """The problem. mean: (d,). covariance, second: (d, d), Σ and S."""

    mean: Array
    covariance: Array

    @classmethod
    def drawn(cls, seed: int) -> Halfspace:
        """A random one: eigenvalues of Σ spaced evenly on a logarithmic scale, random axes, a random mean."""
        rng = np.random.default_rng([seed, 2019])
        axes = np.linalg.qr(rng.standard_normal((INPUTS, INPUTS)))[0]
        covariance = (axes * np.geomspace(1.0, 1.0 / CONDITION, INPUTS)) @ axes.T
        mean = rng.standard_normal(INPUTS)
        return cls(mean * SEPARATION / np.sqrt(mean @ np.linalg.solve(covariance, mean)), covariance)

    @property
    def second(self) -> Array:
        """S."""
        return np.asarray(self.covariance + np.outer(self.mean, self.mean))

    def inner(self, v: Array) -> Array:
        """The values of vᵀu at the integral's nodes."""
        return np.asarray(v @ self.mean + np.sqrt(v @ self.covariance @ v) * NODES)

    def loss(self, v: Array) -> float:
        """f(v)."""
        return _expected(np.logaddexp(0.0, self.inner(v)))

    def gradient(self, v: Array) -> Array:
        """∇f(v) = E[φ′]·m + E[φ″]·Σv, by Stein's lemma."""
        slope = expit(self.inner(v))
        first, second = _expected(slope), _expected(slope * (1.0 - slope))
        return np.asarray(first * self.mean + second * (self.covariance @ v))

    def best_length(self, w: Array) -> float:
        """The g with which f(g·w) is least, w of length 1; 0 where no positive one is better."""
        values = self.inner(w)

        def slope(g: float) -> float:
            return _expected(expit(g * values) * values)

        return float(brentq(slope, 0.0, LONGEST)) if slope(0.0) < 0 else 0.0

    def quotient(self, w: Array) -> float:
        """ρ(w) = −(wᵀm)²/‖w‖_S²: depends on the direction alone, and is least in the best one."""
        return float(-((w @ self.mean) ** 2) / (w @ self.second @ w))

    def turned(self, w: Array, largest: float) -> Array:
        """The next direction: a step of gradient descent on f in w, as long as Algorithm 1 of the paper has it.

        With that length the loss's own factors cancel, and ‖w‖_S²/(L·wᵀm)·(m − Sw·wᵀm/‖w‖_S²) is left. largest: L.
        """
        square, along = float(w @ self.second @ w), float(w @ self.mean)
        return np.asarray(w + square / (largest * along) * (self.mean - self.second @ w * along / square))


def _expected(values: Array) -> float:
    return float(WEIGHTS @ values / WEIGHTS.sum())


def counted_and_decoupled(trainer: Trainer) -> Mapping[str, Array | float]:
    """How many parameters the network has, and how many learn; where only γ and β do, also what `solved` finds."""
    parameters = sum(item.numel() for item in trainer.parameters)
    masks = trainer.masks
    learned = parameters if masks is None else sum(float(mask.sum()) for mask in masks)
    found: dict[str, Array | float] = {"parameters": float(parameters), "learned": float(learned)}
    if trainer.experiment.trainable != "normalizer":
        return found
    seed = trainer.experiment.seed
    start = np.random.default_rng([seed, 1]).standard_normal(INPUTS)
    return found | dict(solved(Halfspace.drawn(seed), start / np.linalg.norm(start)))


def solved(problem: Halfspace, start: Array) -> Mapping[str, Array | float]:
    """The problem learned in both ways. start: (d,), from which both begin.

    distance: (STEPS + 1,), ρ(w_t) − ρ(w*) as a share of its start. promised: the bound (1 − μ/L)^(2t), with the least
    and the largest eigenvalue of S. apart, together: (STEPS + 1,), f − f* with length and direction apart, where g is
    the best at each step, and by plain gradient descent at its best rate, `rate`. condition: L/μ.
    """
    smallest, *_, largest = np.linalg.eigvalsh(problem.second)
    best = np.linalg.solve(problem.second, problem.mean)
    least_quotient, least = problem.quotient(best), _best_loss(problem, best)
    w, directions = start, []
    for _ in range(STEPS + 1):
        directions.append(w)
        w = problem.turned(w, largest)
    distance = np.array([problem.quotient(w) for w in directions]) - least_quotient
    plain = {rate: descended(problem, start, rate) - least for rate in RATES}
    rate = min(plain, key=lambda item: float(np.nan_to_num(plain[item][-1], nan=np.inf)))
    return {
        "distance": distance / distance[0],
        "promised": (1.0 - smallest / largest) ** (2.0 * np.arange(STEPS + 1)),
        "apart": np.array([_best_loss(problem, w) for w in directions]) - least,
        "together": plain[rate],
        "rate": float(rate),
        "condition": float(largest / smallest),
    }


def descended(problem: Halfspace, start: Array, rate: float) -> Array:
    """The loss before each step of plain gradient descent and after the last, (STEPS + 1,)."""
    v, losses = start, []
    for _ in range(STEPS + 1):
        losses.append(problem.loss(v))
        v = v - rate * problem.gradient(v)
    return np.array(losses)


def _best_loss(problem: Halfspace, w: Array) -> float:
    """The least loss in a direction, either way along it."""
    unit = w / np.sqrt(w @ problem.second @ w)
    unit = -unit if unit @ problem.mean > 0 else unit
    return problem.loss(problem.best_length(unit) * unit)
