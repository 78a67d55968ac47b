"""The numbers of a Snapshot, computed from a layer's values on a fixed probe batch.

Quantiles and drift of single units come from one sort of each unit's values. For quantiles of all units together,
values are counted in buckets, because a second sort took longer than all the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import GRADIENT_EDGES, HISTOGRAM_EDGES, QUANTILES, SMALLEST_GRADIENT

Array = np.ndarray

BUCKETS = 1024
"""How many `order_statistics` counts values in: few enough to be fast, and enough that few values share one."""
EVEN, BINS_A_UNIT = 8.0, 4.0
"""HISTOGRAM_EDGES are even from −8 to 8, with 4 bins in an interval of length 1: a power of two, so that the bin
of a value is computed without rounding."""
BELOW_0 = float(np.searchsorted(HISTOGRAM_EDGES, 0.0))
"""The number of bins of HISTOGRAM_EDGES below 0."""
FRACTION_BITS, EXPONENT_OF_1 = 23, 127
"""Of a float32 (IEEE 754): the bits of its fraction, and the exponent's field of 1."""


def quantiles(ordered: Array, shares: tuple[float, ...]) -> Array:
    """Quantiles by linear interpolation of values already sorted along the last axis.

    ordered: (..., N). Returns (..., len(shares)), equal to np.quantile(..., method="linear").
    """
    low, high, part = _neighbours(shares, ordered.shape[-1])
    return _between(ordered[..., low], ordered[..., high], part)


def select_quantiles(values: Array, shares: tuple[float, ...]) -> Array:
    """The same quantiles of values in any order, which it rearranges: faster than to sort them. values: (N,)."""
    low, high, part = _neighbours(shares, len(values))
    values.partition(np.concatenate([low, high]))
    return _between(values[low], values[high], part)


@lru_cache(maxsize=64)
def _neighbours(shares: tuple[float, ...], size: int) -> tuple[Array, Array, Array]:
    """The ranks below and above each quantile of `size` values, and its position between them, from 0 to 1."""
    position = np.asarray(shares) * (size - 1)
    low = np.floor(position).astype(int)
    return low, np.minimum(low + 1, size - 1), position - low


def _between(low: Array, high: Array, part: Array) -> Array:
    return np.asarray(low + part.astype(low.dtype) * (high - low))


def order_statistics(values: Array, ranks: Array) -> Array:
    """np.sort(values)[ranks], several times as fast. values: (N,) in any order. ranks: integers from 0 to N − 1.

    Values are counted in even buckets from the smallest to the largest; only buckets that hold a rank are sorted.
    """
    smallest = values.min()
    width = values.max() - smallest
    if not 0.0 < width < np.inf:  # all are equal, or some are no finite numbers
        return np.asarray(np.sort(values)[ranks])
    # Every step keeps the order, however it rounds: a larger value is never in a smaller bucket.
    bucket = ((values - smallest) / width * (BUCKETS - 1)).astype(np.int64)
    counts = np.bincount(bucket, minlength=BUCKETS)
    up_to = counts.cumsum()
    holding = np.searchsorted(up_to, ranks, side="right")
    wanted = np.zeros(BUCKETS, dtype=bool)
    wanted[holding] = True
    few = np.sort(values[wanted[bucket]])
    below = up_to - (counts * wanted).cumsum()  # values of buckets left out, up to each
    return np.asarray(few[ranks - below[holding]])


def summary(values: Array) -> tuple[float, float, Array]:
    """Mean, standard deviation and QUANTILES of values in any order, (N,)."""
    # In float64 and two passes: E[x²] − E[x]² loses every digit when the mean is large.
    deviations = values.astype(np.float64)
    mean = deviations.mean()
    deviations -= mean
    deviations *= deviations
    low, high, part = _neighbours(QUANTILES, values.size)
    at = order_statistics(values, np.concatenate([low, high]))
    return float(mean), math.sqrt(deviations.mean()), _between(at[: low.size], at[low.size :], part)


def gradient_counts(values: Array, layer_of: Array, layers: int) -> Array:
    """(layers, bins) int32: for each layer the number of magnitudes of values between GRADIENT_EDGES.

    values: (N,) float32. layer_of: (N,), the layer of each, from 0. A float32's exponent and the first bit of its
    fraction name its half of a doubling, so no logarithm is taken. All layers at once: a call costs more than its work.
    """
    count = len(GRADIENT_EDGES) - 1
    bits = values.view(np.int32) & np.int32(0x7FFFFFFF)  # without the sign
    halves = (bits >> (FRACTION_BITS - 1)) - 2 * (EXPONENT_OF_1 + SMALLEST_GRADIENT)
    bins = np.clip(halves + 2, 1, count - 1)  # before them the bins of zeros and of what is smaller
    bins *= bits != 0
    found = np.bincount(bins + layer_of * count, minlength=layers * count)
    return found.astype(np.int32).reshape(layers, count)


def is_even(per_unit: Array) -> bool:
    """Whether all values lie where HISTOGRAM_EDGES are even. per_unit: (F, N), sorted along each unit."""
    return bool(per_unit[:, 0].min() >= -EVEN and per_unit[:, -1].max() < EVEN)


def histogram(values: Array, even: bool) -> Array:
    """(bins,) int32: the number of values between HISTOGRAM_EDGES; the outermost bins take all beyond.

    values: (N,) in any order. even: whether it is known that all of them lie where the edges are even.
    """
    last = len(HISTOGRAM_EDGES) - 2
    bins = values * BINS_A_UNIT
    np.floor(bins, out=bins)
    bins += BELOW_0
    if not even:
        outside = ~(np.abs(values) < EVEN)  # also what is not a number
        found = np.searchsorted(HISTOGRAM_EDGES, values[outside], side="right") - 1
        bins[outside] = np.clip(found, 0, last)
    return np.bincount(bins.astype(np.int64), minlength=last + 1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Distribution:
    """A layer's values on the probe batch: `per_unit` (F, N), sorted along each unit."""

    per_unit: Array

    @classmethod
    def of(cls, values: Array) -> Distribution:
        """Sort values: (N, F), a row for each probe example."""
        per_unit = np.array(values.T, order="C")  # a copy, also of a single unit
        per_unit.sort(axis=1)
        return cls(per_unit)

    @property
    def pooled(self) -> Array:
        """The values of all units, (F·N,), in no order."""
        return self.per_unit.reshape(-1)

    def summary(self) -> tuple[float, float, Array]:
        """Mean, standard deviation and QUANTILES of all units together."""
        return summary(self.pooled)

    def histogram(self) -> Array:
        """(bins,) int32: the number of values between HISTOGRAM_EDGES; the outermost bins take all beyond."""
        return histogram(self.pooled, is_even(self.per_unit))

    def saturated(self, activation: str) -> float:
        """The share of (example, unit) pairs in the flat zone of the nonlinearity; NaN where none is saturated."""
        kind = NONLINEARITIES.get(activation)
        if kind is None or not kind.saturates:
            return math.nan
        below, above = kind.flat
        flat = np.count_nonzero(self.pooled < below) + np.count_nonzero(self.pooled > above)
        return float(flat / self.pooled.size)

    def dead(self, activation: str) -> float:
        """The share of relu units that are silent for every probe example; NaN for other nonlinearities."""
        return float((self.per_unit[:, -1] <= 0).mean()) if activation == "relu" else math.nan

    def drift_from(self, reference: Distribution) -> float:
        """The 1-Wasserstein distance between each unit's values now and then, averaged over units.

        For samples of equal size it is the mean distance of the sorted values. In units of the
        nonlinearity's input.
        """
        return float(np.abs(self.per_unit - reference.per_unit).mean(dtype=np.float64))
