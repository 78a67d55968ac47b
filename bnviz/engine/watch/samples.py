"""A layer's values: sampled where there are many, and measured.

Positions are drawn by chance that is the same at every record and belongs to nobody's random state. Even steps would
fall in step with the data: every second column of a map that a stride of 2 has made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bnviz.engine.watch.operations import Units
from bnviz.experiment.knob import MAX_WIDTH
from bnviz.recording.measure import quantiles
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import HISTOGRAM_EDGES, QUANTILES

ROWS = 4096
"""The most values of a unit that are measured."""
VALUES, FEWEST_ROWS = 2**20, 256
"""The most values of a layer that are measured, but for this many of each unit."""
COMPARED = 256
"""Of a unit's sorted values as many are kept for drift, evenly spaced where there are more."""
CHUNK = 2**16
_NEAREST = HISTOGRAM_EDGES[1:-1].astype(np.float32)
_EDGES = np.where(HISTOGRAM_EDGES[1:-1] > _NEAREST, np.nextafter(_NEAREST, np.float32(np.inf)), _NEAREST)
"""The smallest float32 that is not below each inner edge: the same float32 are below both."""


@dataclass(eq=False)
class Sample:
    """Values of a layer, (N, F) float32: N of each of F units.

    units: the numbers of the measured units. each: how many values a unit has. all_units: how many there are.
    moments: mean and standard deviation of all values, where not all are in the sample.
    remark: what could not be known.
    """

    values: np.ndarray
    units: np.ndarray
    each: int
    all_units: int
    moments: tuple[float, float] | None
    remark: str = ""
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = len(self.values)

    def hand_over(self) -> np.ndarray:
        """The values, which the sample has no longer: only one copy of them is to be in memory."""
        values, self.values = self.values, self.values[:0]
        return values

    @property
    def told(self) -> str:
        """How many values are measured of how many."""
        rows, units = self.rows, len(self.units)
        of_units = f"{units:,} units" if units == self.all_units else f"{units:,} of {self.all_units:,} units"
        of_rows = f"{rows:,}" if rows == self.each else f"{rows:,} of {self.each:,}"
        return f"{of_rows} values of each of {of_units}"


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
        both = sample.moments or moments(values)
        values.sort()
        return cls(*both, quantiles(values, QUANTILES))


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of a layer's values at one record.

    unit_quantiles: (F, 3). curve: (F, up to COMPARED) sorted values of each unit, to compare with another record's.
    drift: from a reference that was given; there is no curve then. floor: how far two halves of the examples lie
    apart, as drift is measured.
    """

    summary: Summary
    units: np.ndarray
    unit_quantiles: np.ndarray
    histogram: np.ndarray
    saturated: dict[str, float]
    dead: float
    curve: np.ndarray
    drift: float
    floor: float
    told: str
    remark: str

    @classmethod
    def of(cls, sample: Sample, floor: bool, reference: Measured | None = None) -> Measured:
        """Sort and measure a sample that holds a value of each unit, all of them finite, and hands them over.

        There are at most two copies of the values at any time.
        """
        apart = _halves_apart(sample.values) if floor else math.nan
        per_unit = np.array(sample.hand_over().T, order="C")  # (F, N)
        both = sample.moments or moments(per_unit.reshape(-1))
        per_unit.sort(axis=1)
        of_units, dead = quantiles(per_unit, (0.15, 0.50, 0.85)), float((per_unit[:, -1] <= 0).mean())
        curve = _thinned(per_unit)
        drift = math.nan
        if reference is not None:
            drift = reference.distance(sample.units, curve)
            curve = curve[:0]
        ordered = per_unit.reshape(-1)
        ordered.sort()
        return cls(
            Summary(*both, quantiles(ordered, QUANTILES)),
            sample.units,
            of_units,
            histogram(ordered),
            {name: outside(ordered, *kind.flat) for name, kind in NONLINEARITIES.items() if kind.saturates},
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


def histogram(ordered: np.ndarray) -> np.ndarray:
    """(bins,) int32: how many sorted float32 are between HISTOGRAM_EDGES; the outermost bins take all beyond."""
    below = np.empty(len(_EDGES) + 2, np.int32)
    below[0], below[1:-1], below[-1] = 0, ordered.searchsorted(_EDGES), ordered.size
    return below[1:] - below[:-1]


def outside(ordered: np.ndarray, low: float, high: float) -> float:
    """The share of sorted values that are smaller than `low` or larger than `high`."""
    least, most = ordered.dtype.type(low), ordered.dtype.type(high)
    inside = ordered.searchsorted(most, side="right") - ordered.searchsorted(least)
    return float((ordered.size - inside) / ordered.size)


def wasserstein(mine: np.ndarray, theirs: np.ndarray) -> float:
    """The mean 1-Wasserstein distance between rows of sorted values, (F, N) and (F, M)."""
    if mine.shape == theirs.shape:
        apart = np.abs(mine - theirs)
        total: float = np.add.reduce(apart, axis=None, dtype=np.float64)
        return float(total / apart.size)
    many, few = mine.shape[1], theirs.shape[1]
    edges = np.union1d(np.arange(many + 1) / many, np.arange(few + 1) / few)
    middles = (edges[1:] + edges[:-1]) / 2
    apart = np.abs(mine[:, (middles * many).astype(int)] - theirs[:, (middles * few).astype(int)])
    return float((apart.mean(0, dtype=np.float64) * np.diff(edges)).sum())


def take(tensor: Tensor, units: Units | None) -> Sample:
    """A sample of a tensor's values, copied: what comes later in the pass may work in place."""
    tensor = tensor.detach()
    if units is not None and units.plain and units.axis == tensor.dim() - 1:
        width = tensor.shape[-1]
        rows = tensor.numel() // width
        if width <= MAX_WIDTH and rows <= min(ROWS, max(FEWEST_ROWS, VALUES // width)):
            whole = tensor.reshape(rows, width).to("cpu", torch.float32, copy=True).numpy()
            return Sample(whole, _numbers(width), rows, width, None)
    remark = ""
    places = None if units is None else _places(units)
    if places is None:
        remark = "which axis holds its units is not known: all values are measured as those of one unit"
        tensor = tensor.reshape(-1, 1)
        units, places = Units(1, torch.zeros(1, dtype=torch.long)), np.zeros((1, 1), np.int64)
    assert units is not None
    by_unit = tensor.movedim(units.axis, -1)  # (…, K)
    numbers = units.numbers.numpy()[places[:, 0]]
    all_units, alike = places.shape
    if all_units > MAX_WIDTH:
        chosen = _chosen(all_units, MAX_WIDTH)
        places, numbers = places[chosen], numbers[chosen]
    rows = math.prod(by_unit.shape[:-1])
    most = min(ROWS, max(FEWEST_ROWS, VALUES // len(places)))
    if rows * alike > most:
        kept = min(rows, max(1, most // alike))
        at = np.unravel_index(_chosen(rows, kept), by_unit.shape[:-1])
        part = by_unit[tuple(torch.as_tensor(index, device=tensor.device) for index in at)]  # (kept, K)
        if alike > most:
            places = places[:, _chosen(alike, most)]
    else:
        part = by_unit.reshape(rows, by_unit.shape[-1])
    everything = places.size == part.shape[1] and (places.ravel() == np.arange(places.size)).all()
    if not everything:
        part = part[:, torch.as_tensor(places.ravel(), device=tensor.device)]
    table = part.to("cpu", torch.float32)  # (rows, F · alike)
    if (
        table.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    ):  # what comes later may change it
        table = table.clone()
    values = table.numpy()
    if places.shape[1] > 1:
        values = values.reshape(len(values), *places.shape).transpose(0, 2, 1).reshape(-1, len(places))
    moments = None if values.size == tensor.numel() else _moments(tensor)
    return Sample(values, numbers, rows * alike, all_units, moments, remark)


def first_tensor(output: object) -> Tensor | None:
    """The first tensor of real numbers in what a module gives out, such as the outputs of an LSTM."""
    for item in torch.utils._pytree.tree_leaves(output):
        if isinstance(item, Tensor) and item.is_floating_point():
            return item
    return None


@lru_cache(maxsize=256)
def _chosen(count: int, most: int) -> np.ndarray:
    """`most` of the numbers up to `count`, by chance, in order; the same at every call."""
    if most >= count:
        return np.arange(count)
    chosen = np.random.default_rng(0).choice(count, most, replace=False, shuffle=False)
    chosen.sort()
    return chosen


def _places(units: Units) -> np.ndarray | None:
    """(F, places of a unit along the axis); None where some units have more places than others."""
    if units.plain:
        return _single_places(len(units.numbers))
    numbers = units.numbers.numpy()
    if not len(numbers):
        return None
    _, counts = np.unique(numbers, return_counts=True)
    if (counts != counts[0]).any():
        return None
    return np.argsort(numbers, kind="stable").reshape(len(counts), counts[0])


@lru_cache(maxsize=64)
def _numbers(units: int) -> np.ndarray:
    """The numbers 0, 1, 2, and so on."""
    return np.arange(units)


@lru_cache(maxsize=64)
def _single_places(units: int) -> np.ndarray:
    """The places of units that have one each, in their order."""
    return np.arange(units).reshape(-1, 1)


def _moments(tensor: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all values, in float64 and without a copy of them all."""
    mean, squares, count = 0.0, 0.0, 0
    step = max(1, CHUNK // max(1, math.prod(tensor.shape[1:])))
    for part in torch.split(tensor, step):
        values = part.double()
        size = values.numel()
        middle = float(values.mean())
        values -= middle
        apart = middle - mean
        squares += float(values.square_().sum()) + apart**2 * count * size / (count + size)
        count += size
        mean += apart * size / count
    return mean, math.sqrt(squares / count)


def _thinned(ordered: np.ndarray) -> np.ndarray:
    """(F, up to COMPARED): of sorted values some, evenly spaced in rank."""
    count = ordered.shape[1]
    if count <= COMPARED:
        return ordered.copy()
    ranks = ((np.arange(COMPARED) + 0.5) * count / COMPARED).astype(int)
    return np.asarray(ordered.take(ranks, axis=1))


def _halves_apart(values: np.ndarray) -> float:
    """What drift is between two batches that differ by chance alone, from the two halves of one.

    Halves hold half as many examples, so that their distance is √2 times as large. Rows are in the order of examples.
    """
    half, units = len(values) // 2, values.shape[1]
    if not half:
        return math.nan
    apart, together = 0.0, max(1, CHUNK // half)
    for first in range(0, units, together):
        some = values[: 2 * half, first : first + together]
        rows = [np.sort(part.T, axis=1) for part in (some[:half], some[half:])]
        apart += wasserstein(*rows) * some.shape[1]
    return float(apart / units / math.sqrt(2.0))
