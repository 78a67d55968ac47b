"""What one pass has shown of the layers, kept until it is measured: nothing in it changes as the training goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bnviz.engine.watch.evidence import SCALED
from bnviz.engine.watch.measured import Measured, Summary
from bnviz.engine.watch.names import own
from bnviz.engine.watch.observation import Found
from bnviz.engine.watch.streams import Part
from bnviz.engine.watch.weight_changes import Sizes, norms
from bnviz.recording import CurvePoint
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import UNIT_COLUMNS

NO_SIZES: Sizes = (math.nan, math.nan, math.nan)
SCALES = (("weight", "bias"), ("gamma", "beta"))
"""What normalizers call γ and β."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A layer as one pass has shown it.

    training: whether its normalizer was in training mode; None where it has no module of its own.
    scales: γ and β of each measured unit, (2, F); None where the normalizer has no such.
    """

    name: str
    part: Part
    activation: str
    sizes: Sizes
    training: bool | None
    scales: np.ndarray | None

    @classmethod
    def of(cls, found: Found, sizes: Mapping[int, Sizes]) -> Seen:
        """Copy what the training is about to change. sizes: of weights, by `id`."""
        own_sizes: Sizes | None = NO_SIZES if found.weight is None else sizes.get(id(found.weight))
        if own_sizes is None and found.weight is not None:
            own_sizes = (math.nan, norms([found.weight])[0], math.nan)
        normalizer = found.part.origin.normalizing
        return cls(
            found.name,
            found.part,
            found.activation,
            own_sizes or NO_SIZES,
            None if normalizer is None else normalizer.training,
            _scales(found.part),
        )

    @property
    def waiting_bytes(self) -> int:
        """How much memory its values take that are not measured yet."""
        before = self.part.origin.before
        samples = (self.part.sample, None if before is None else before.sample)
        return sum(item.values.nbytes for item in samples if item is not None)

    def measure(self, reference: Measured | None) -> None:
        """Measure what waits for it."""
        self.part.measure(False, reference)
        if self.part.origin.before is not None:
            self.part.origin.before.measure()

    def row(self, measured: Measured, reference: Measured) -> list[float]:
        """Its numbers in the order of LAYER_COLUMNS."""
        received = self.part.origin.before
        values, before = measured.summary, measured.summary
        if received is not None and received.summary is not None:
            before = received.summary
        kind = self.activation.removesuffix(SCALED)
        saturated = measured.saturated if kind in NONLINEARITIES else math.nan
        dead = measured.dead if kind == "relu" else math.nan
        drift = measured.drift_from(reference)
        return [*_flat(values), saturated, dead, *self.sizes, drift, *_flat(before)]

    def unit_columns(self, measured: Measured) -> np.ndarray:
        """(F, 5) in the order of UNIT_COLUMNS: three quantiles, γ and β of each unit where the normalizer has such."""
        columns = np.full((len(measured.units), len(UNIT_COLUMNS)), np.nan, np.float32)
        columns[:, :3] = measured.unit_quantiles
        if self.scales is not None:
            columns[:, 3:] = self.scales.T
        return columns


@dataclass(eq=False)
class Record:
    """What one pass has shown. curves: numbers that the program told of it."""

    step: int
    seen: Mapping[str, Seen]
    curves: tuple[CurvePoint, ...] = field(default=())

    @classmethod
    def of(cls, step: int, found: Sequence[Found], sizes: Mapping[int, Sizes]) -> Record:
        """Copy what the training is about to change."""
        return cls(step, {item.name: Seen.of(item, sizes) for item in found})

    @property
    def waiting_bytes(self) -> int:
        """How much memory its values take that are not measured yet."""
        return sum(item.waiting_bytes for item in self.seen.values())


def _scales(part: Part) -> np.ndarray | None:
    normalizer, units = part.origin.normalizing, part.chosen
    if normalizer is None or units is None or not len(units):
        return None
    for names in SCALES:
        pair = [own(normalizer, name) for name in names]
        sized = [item for item in pair if item is not None and item.dim() == 1 and len(item) > units[-1]]
        if len(sized) == 2:
            return np.array([item.detach().float().numpy(force=True)[units] for item in sized])
    return None


def _flat(summary: Summary) -> list[float]:
    return [summary.mean, summary.std, *summary.shares.tolist()]
