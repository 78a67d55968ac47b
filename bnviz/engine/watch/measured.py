"""What is measured of a layer's sampled values, and kept of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bnviz.engine.watch.drift import wasserstein
from bnviz.engine.watch.samples import CHUNK, Sample
from bnviz.recording.measure import histogram, is_even, quantiles, select_quantiles
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import QUANTILES

COMPARED = 256
"""Of a unit's sorted values as many are kept for drift, evenly spaced where there are more."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Mean, standard deviation and QUANTILES of all values together."""

    mean: float
    std: float
    shares: np.ndarray

    @classmethod
    def of(cls, sample: Sample) -> Summary:
        """Measure all values of a sample, which hands them over."""
        values = sample.hand_over().reshape(-1)
        return cls(*(sample.moments or moments(values)), select_quantiles(values, QUANTILES))


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of a layer's values at one record.

    unit_quantiles: (F, 3). saturated: the share in the flat zone of the nonlinearity; NaN where it has none.
    curve: (F, up to COMPARED) sorted values of each unit, to compare with another record's.
    drift: from a reference that was given; there is no curve then. floor: the drift between two mini-batches of one
    step; NaN where that was not asked for, or could not be known.
    """

    summary: Summary
    units: np.ndarray
    unit_quantiles: np.ndarray
    histogram: np.ndarray
    saturated: float
    dead: float
    curve: np.ndarray
    drift: float
    floor: float
    told: str
    remark: str

    @classmethod
    def of(
        cls,
        sample: Sample,
        function: str = "",
        apart: float = math.nan,
        reference: Measured | None = None,
    ) -> Measured:
        """Measure a sample that holds a value of each unit, all of them finite, and hands them over.

        function: the nonlinearity that receives it. apart: the floor. There are at most two copies of the values at
        any time.
        """
        per_unit = np.array(sample.hand_over().T, order="C")  # (F, N)
        both = sample.moments or moments(per_unit.reshape(-1))
        per_unit.sort(axis=1)
        of_units, dead = quantiles(per_unit, (0.15, 0.50, 0.85)), float((per_unit[:, -1] <= 0).mean())
        curve = _thinned(per_unit)
        drift = math.nan
        if reference is not None:
            drift = reference.distance(sample.units, curve)
            curve = curve[:0]
        values = per_unit.reshape(-1)
        counts, saturated = counted(values, is_even(per_unit)), in_flat_zone(values, function)
        return cls(
            Summary(*both, select_quantiles(values, QUANTILES)),
            sample.units,
            of_units,
            counts,
            saturated,
            dead,
            curve,
            drift,
            apart,
            sample.told,
            sample.remark,
        )

    def drift_from(self, reference: Measured) -> float:
        """The 1-Wasserstein distance of each unit's values from then, averaged over units; NaN for other units."""
        return reference.distance(self.units, self.curve) if len(self.curve) else self.drift

    def distance(self, units: np.ndarray, curve: np.ndarray) -> float:
        """The same distance to the sorted values of another time."""
        return wasserstein(curve, self.curve) if np.array_equal(units, self.units) else math.nan


def moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of (N,), in float64 and two passes, without a copy of them all."""
    mean = float(np.add.reduce(values, dtype=np.float64)) / values.size
    squares = 0.0
    for first in range(0, values.size, CHUNK):
        deviations = values[first : first + CHUNK].astype(np.float64)
        deviations -= mean
        squares += float(deviations @ deviations)
    return float(mean), math.sqrt(squares / values.size)


def counted(values: np.ndarray, even: bool) -> np.ndarray:
    """(bins,) int32: how many values are between HISTOGRAM_EDGES, without a copy of them all. even: as `histogram`."""
    parts = (values[first : first + CHUNK] for first in range(0, values.size, CHUNK))
    return np.asarray(sum(histogram(part, even) for part in parts), np.int32)


def in_flat_zone(values: np.ndarray, function: str) -> float:
    """The share of values in the flat zone of a nonlinearity; NaN where it is not known, or saturates nowhere."""
    kind = NONLINEARITIES.get(function)
    if kind is None or not kind.saturates:
        return math.nan
    low, high = kind.flat
    return float((np.count_nonzero(values < low) + np.count_nonzero(values > high)) / values.size)


def _thinned(ordered: np.ndarray) -> np.ndarray:
    """(F, up to COMPARED): of sorted values some, evenly spaced in rank."""
    count = ordered.shape[1]
    if count <= COMPARED:
        return ordered.copy()
    ranks = ((np.arange(COMPARED) + 0.5) * count / COMPARED).astype(int)
    return np.asarray(ordered.take(ranks, axis=1))
