"""Tensors in, numbers out: what a Snapshot says of a layer, measured on a fixed probe batch.

Everything comes from one sort of each unit's values and one of all of them, in NumPy: quantiles,
histogram, saturation and drift then cost next to nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bnviz.recording import HISTOGRAM_EDGES, QUANTILES

Array = np.ndarray

SLOPE_SHARE = 0.05
SATURATION_THRESHOLDS = {
    # |σ'| = s(1 − s) < 0.05 · 1/4 beyond the logit of s = (1 + √0.95)/2
    "sigmoid": math.log((1 + math.sqrt(1 - SLOPE_SHARE)) / (1 - math.sqrt(1 - SLOPE_SHARE))),
    # 1 − tanh² < 0.05 beyond artanh √0.95
    "tanh": math.atanh(math.sqrt(1 - SLOPE_SHARE)),
}
"""The |input| beyond which a nonlinearity's slope is under 5 % of its largest: sigmoid 4.36, tanh 2.18."""


def quantiles(ordered: Array, shares: tuple[float, ...]) -> Array:
    """Quantiles by linear interpolation of values already sorted along the last axis.

    ordered: (..., N). Returns (..., len(shares)), equal to np.quantile(..., method="linear").
    """
    position = np.asarray(shares) * (ordered.shape[-1] - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, ordered.shape[-1] - 1)
    part = (position - low).astype(ordered.dtype)
    return np.asarray(ordered[..., low] + part * (ordered[..., high] - ordered[..., low]))


def summary(pooled: Array) -> tuple[float, float, Array]:
    """Mean, standard deviation and QUANTILES of sorted values, (N,)."""
    # In float64 and two passes: E[x²] − E[x]² loses every digit when the mean is large.
    deviations = pooled.astype(np.float64)
    mean = deviations.mean()
    deviations -= mean
    deviations *= deviations
    return float(mean), math.sqrt(deviations.mean()), quantiles(pooled, QUANTILES)


@dataclass(frozen=True, eq=False)
class Distribution:
    """A layer's values on the probe batch, sorted: `per_unit` (F, N) along each unit, `pooled` (F·N,)."""

    per_unit: Array
    pooled: Array

    @classmethod
    def of(cls, values: Array) -> Distribution:
        """Sort values: (N, F), a row for each probe example."""
        per_unit = np.array(values.T, order="C")  # a copy, also of a single unit
        per_unit.sort(axis=1)
        pooled = per_unit.ravel().copy()
        pooled.sort()
        return cls(per_unit, pooled)

    def summary(self) -> tuple[float, float, Array]:
        """Mean, standard deviation and QUANTILES of all units together."""
        return summary(self.pooled)

    def histogram(self) -> Array:
        """(bins,) int32: the number of values between HISTOGRAM_EDGES; the outermost bins take all beyond."""
        below = np.searchsorted(self.pooled, HISTOGRAM_EDGES.astype(self.pooled.dtype))
        below[0], below[-1] = 0, self.pooled.size
        return np.diff(below).astype(np.int32)

    def saturated(self, activation: str) -> float:
        """The share of (example, unit) pairs in the flat part of the nonlinearity; NaN for relu."""
        threshold = SATURATION_THRESHOLDS.get(activation)
        if threshold is None:
            return math.nan
        low, high = np.searchsorted(self.pooled, np.array([-threshold, threshold], self.pooled.dtype))
        return float(low + self.pooled.size - high) / self.pooled.size

    def dead(self, activation: str) -> float:
        """The share of relu units that are silent for every probe example; NaN for other nonlinearities."""
        return float((self.per_unit[:, -1] <= 0).mean()) if activation == "relu" else math.nan

    def drift_from(self, reference: Distribution) -> float:
        """The 1-Wasserstein distance between each unit's values now and then, averaged over units.

        For samples of equal size it is the mean distance of the sorted values. In units of the
        nonlinearity's input.
        """
        return float(np.abs(self.per_unit - reference.per_unit).mean(dtype=np.float64))
