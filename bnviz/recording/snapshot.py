"""A Snapshot: what was measured at one step, and the columns that it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.05, 0.15, 0.25, 0.50, 0.75, 0.85, 0.95)

QUANTILE_COLUMNS = tuple(f"q{round(100 * q):02d}" for q in QUANTILES)

LAYER_COLUMNS = (
    "mean",
    "std",
    *QUANTILE_COLUMNS,
    "saturated",
    "dead",
    "grad_norm",
    "weight_norm",
    "update_ratio",
    "drift",
    "before_mean",
    "before_std",
    *(f"before_{column}" for column in QUANTILE_COLUMNS),
)

UNIT_COLUMNS = ("q15", "q50", "q85", "gamma", "beta")

_OUTER_EDGES = np.geomspace(8.0, 8.0e4, 21)[1:]

HISTOGRAM_EDGES: np.ndarray = np.concatenate([-_OUTER_EDGES[::-1], np.linspace(-8.0, 8.0, 65), _OUTER_EDGES])
"""Bin edges, the same for every layer, step and arm: even from −8 to 8, where a sigmoid lives, then
widening geometrically. Values beyond ±80,000 are counted in the outermost bins."""

SMALLEST_GRADIENT, LARGEST_GRADIENT = -40, 20
"""Powers of two between which GRADIENT_EDGES stand: from 10⁻¹² to 10⁶."""

GRADIENT_EDGES: np.ndarray = np.concatenate(
    [
        [0.0, 0.0],
        np.outer(np.exp2(np.arange(SMALLEST_GRADIENT, LARGEST_GRADIENT)), [1.0, 1.5]).ravel(),
        [2.0**LARGEST_GRADIENT],
    ]
)
"""Edges of the bins that magnitudes of gradients are counted in: the first bin holds exact zeros, the second what is
smaller than 2⁻⁴⁰; then there are two to a doubling. The last holds all beyond, too."""

BOUNDARY_POINTS = 48

BOUNDARY_RANGE = (-1.5, 1.5)
"""For two-dimensional data: the square grid on which the class probability is recorded."""


@dataclass(frozen=True)
class CurvePoint:
    """Cross-entropy (nats) and accuracy (0 to 1) on `examples` examples of a split, in inference mode."""

    split: str
    loss: float
    accuracy: float
    examples: int


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What was measured after `step` updates.

    layers: (L, len(LAYER_COLUMNS)) float64, a row for each hidden layer; NaN where a number has no meaning.
    units: (all units, len(UNIT_COLUMNS)) float32, layer after layer.
    histogram: (L, bins) int32, counts between HISTOGRAM_EDGES.
    curves: loss and accuracy, or empty where they were not evaluated.
    boundary: (BOUNDARY_POINTS, BOUNDARY_POINTS) uint8, 255 × the probability of class 1, rows along the
        second coordinate; None unless the data are two-dimensional and curves were evaluated.
    gradients: (L, bins) int32, counts between GRADIENT_EDGES of the magnitudes of the mini-batch's gradient with
        respect to the layer's weights; None where they were not counted: at step 0, and in earlier recordings.
    """

    step: int
    layers: np.ndarray
    units: np.ndarray
    histogram: np.ndarray
    curves: tuple[CurvePoint, ...] = ()
    boundary: np.ndarray | None = None
    gradients: np.ndarray | None = None


@dataclass(frozen=True)
class Provenance:
    """Where a Recording was made. It has no part in whether two Recordings are equal."""

    bnviz: str = ""
    torch: str = ""
    python: str = ""
    device: str = ""
    date: str = ""


TABLES = ("layers", "units", "curves", "histograms", "boundaries")
"""The tables of a Recording, each a property of it and a part of its file."""

LATER_TABLES = ("gradients",)
"""Tables that came later: a property of every Recording, and a part of its file where they are not empty."""


def same_numbers(mine: Snapshot, theirs: Snapshot) -> bool:
    """Whether two snapshots hold the same numbers, bit for bit."""
    if (mine.boundary is None) != (theirs.boundary is None):
        return False
    if (mine.gradients is None) != (theirs.gradients is None):
        return False
    if [point.split for point in mine.curves] != [point.split for point in theirs.curves]:
        return False
    pairs = [
        (mine.layers, theirs.layers),
        (mine.units, theirs.units),
        (mine.histogram, theirs.histogram),
        (
            np.array([(p.loss, p.accuracy, p.examples) for p in mine.curves]),
            np.array([(p.loss, p.accuracy, p.examples) for p in theirs.curves]),
        ),
    ]
    if mine.boundary is not None and theirs.boundary is not None:
        pairs.append((mine.boundary, theirs.boundary))
    if mine.gradients is not None and theirs.gradients is not None:
        pairs.append((mine.gradients, theirs.gradients))
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
