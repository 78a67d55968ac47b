"""What a layer receives, computed from a Recording: its quantiles over the steps, its shift, its density at a step.

A layer's input is the input of its nonlinearity on the probe batch, after the normalizer where there is one.
Layers and units count from 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bnviz.recording.recording import Recording
from bnviz.recording.snapshot import HISTOGRAM_EDGES, LAYER_COLUMNS, UNIT_COLUMNS

Array = np.ndarray

POOLED_QUANTILES = ("q05", "q15", "q50", "q85", "q95")
UNIT_QUANTILES = ("q15", "q50", "q85")
"""The paper's Figure 1 draws these of one unit."""


@dataclass(frozen=True, eq=False)
class QuantilePath:
    """Quantiles over the records at which all are finite. steps: (R,); values: (Q, R), ascending along Q.

    The middle row is the median.
    """

    steps: Array
    values: Array

    @property
    def median(self) -> Array:
        """(R,), the 50th percentile."""
        return np.asarray(self.values[len(self.values) // 2])


def has(recording: Recording, layer: int, unit: int | None = None) -> bool:
    """Whether the network has this layer, and in it this unit."""
    widths = recording.widths
    return 1 <= layer <= len(widths) and (unit is None or 1 <= unit <= widths[layer - 1])


def units_of(recording: Recording, layer: int) -> slice:
    """Where the units of a layer stand among all units."""
    first = sum(recording.widths[: layer - 1])
    return slice(first, first + recording.widths[layer - 1])


def quantile_path(recording: Recording, layer: int, unit: int | None, where: str) -> QuantilePath:
    """POOLED_QUANTILES of a layer's values; of one unit, UNIT_QUANTILES. Empty for a layer or unit that is not there.

    where: "input", what the nonlinearity receives, or "before", what the normalizer receives (pooled only).
    """
    rows = POOLED_QUANTILES if unit is None else UNIT_QUANTILES
    if not has(recording, layer, unit):
        return QuantilePath(np.empty(0, np.int64), np.empty((len(rows), 0)))
    if unit is None:
        # Without a normalizer, the nonlinearity's input is also what a normalizer would receive.
        prefix = "before_" if where == "before" and recording.normalized else ""
        columns = [LAYER_COLUMNS.index(prefix + name) for name in rows]
        values = recording.layer_values[:, layer - 1, columns].T
    else:
        columns = [UNIT_COLUMNS.index(name) for name in rows]
        at = units_of(recording, layer).start + unit - 1
        values = recording.unit_values[:, at, columns].T.astype(np.float64)
    finite = np.isfinite(values).all(axis=0)
    return QuantilePath(recording.steps[finite], values[:, finite])


def unit_quantiles(recording: Recording, layer: int) -> Array:
    """UNIT_QUANTILES of every unit's input over the records, (R, 3, F) float64."""
    columns = [UNIT_COLUMNS.index(name) for name in UNIT_QUANTILES]
    values = recording.unit_values[:, units_of(recording, layer)][:, :, columns]
    return np.swapaxes(values, 1, 2).astype(np.float64)


def typical_unit(recording: Recording, layer: int | None = None) -> int:
    """The unit of a layer, the last if None, whose quantiles stay nearest those of the layer's median unit.

    "Nearest" is the mean squared distance over all records of UNIT_QUANTILES from their medians over the units.
    The paper says "one typical sigmoid" and not how it was chosen. 1 before there is a finite record.
    """
    values = unit_quantiles(recording, layer or len(recording.widths))
    values = values[np.isfinite(values).all(axis=(1, 2))]
    if not len(values):
        return 1
    distance = np.square(values - np.median(values, axis=2, keepdims=True)).mean(axis=(0, 1))
    return int(distance.argmin()) + 1


def median_shift(recording: Recording, layer: int, step: int) -> float | None:
    """How far the median of a typical unit of a layer has moved since the reference step, in σ.

    For each unit |median now − median then| over the probe examples; of these the median over units, divided by
    σ = √((σ_then² + σ_now²) / 2), where σ_then and σ_now are the standard deviations of the layer's inputs, units
    and examples pooled (column std): the width of the bands one sees, averaged over both times as in Cohen's d.
    Pooling keeps the measure meaningful when a network starts with nearly constant inputs, where dividing by the
    initial spread alone would report thousands of σ for a shift nobody can see. None before the reference step.
    """
    if not recording.snapshots or not has(recording, layer) or step <= recording.reference_step:
        return None
    then, now = recording.at(recording.reference_step), recording.at(step)
    if now.step <= then.step:
        return None
    units, median = units_of(recording, layer), UNIT_COLUMNS.index("q50")
    moved = np.abs(now.units[units, median].astype(np.float64) - then.units[units, median])
    spreads = [float(item.layers[layer - 1, LAYER_COLUMNS.index("std")]) for item in (then, now)]
    sigma = math.hypot(*spreads) / math.sqrt(2)
    shift = float(np.median(moved)) / sigma if sigma > 0 else math.nan
    return shift if math.isfinite(shift) else None


def density(counts: Array) -> Array:
    """Counts between HISTOGRAM_EDGES as a density per unit of input, so that bins of any width compare."""
    total = counts.sum()
    return np.asarray(counts / (np.diff(HISTOGRAM_EDGES) * total)) if total else np.zeros(counts.size)


def share_outside(counts: Array, low: float, high: float) -> float:
    """The share of the counted values in bins that lie wholly at or below `low`, or at or above `high`."""
    outside = (HISTOGRAM_EDGES[1:] <= low) | (HISTOGRAM_EDGES[:-1] >= high)
    return float(counts[outside].sum() / max(1, counts.sum()))


def counted_median(counts: Array) -> float:
    """The lower edge of the bin in which the median of the counted values lies."""
    reached = np.cumsum(counts) / max(1, counts.sum())
    return float(HISTOGRAM_EDGES[int(np.searchsorted(reached, 0.5))])
