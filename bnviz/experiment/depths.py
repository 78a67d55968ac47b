"""Networks of many depths: measured before training (Passage), and trained to see which depths train (Depths).

The networks differ in the kind of normalization and in their depth alone. A runs.sweeps.Sweep has them measured or
trained, and the page Depth shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.knob import ExperimentError

KINDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "none": {"normalizer": "none"},
        "batch": {"normalizer": "batch"},
        "layer": {"normalizer": "layer"},
        "residual": {"normalizer": "batch", "residual": "pre"},
        "residual-plain": {"normalizer": "none", "residual": "pre"},
    }
)
"""The kinds of network, by name, as changes of an Experiment."""

RECTIFIED = ("relu", "leaky-relu", "elu", "gelu", "silu", "selu", "softplus")
"""Nonlinearities whose weights start as He et al. 2015 have them; the others start as Glorot & Bengio 2010 do."""

LADDER = (2, 5, 10, 20, 50)
"""The depths that are trained."""
MOST_STEPS = 500
MOST_SEEDS = 5


@dataclass(frozen=True, order=True)
class Place:
    """One network. kind: of KINDS. depth: its hidden layers."""

    kind: str
    depth: int


def started(activation: str, **changes: Any) -> Experiment:
    """An Experiment whose weights start as usual for this nonlinearity, at a scale of 1."""
    init = "kaiming" if activation in RECTIFIED else "xavier"
    return Experiment(activation=activation, init=init, init_scale=1.0, **changes)


@dataclass(frozen=True)
class Passage:
    """Networks of one depth that are measured at initialization, one of each kind.

    base: what they have in common; its hidden layers have one width. Raises ExperimentError for a kind that is unknown.
    """

    base: Experiment
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.kinds)

    @property
    def seeds(self) -> int:
        """One network of each kind."""
        return 1

    @property
    def work(self) -> str:
        """The function that measures the networks, as Plan has it."""
        return "bnviz.engine.inspections.depth:signals"

    @property
    def cells(self) -> tuple[Place, ...]:
        """A network of each kind."""
        return tuple(Place(kind, len(self.base.hidden)) for kind in self.kinds)

    def tiles(self) -> Iterator[tuple[Place, ...]]:
        """One network at a time, so that each appears as soon as it is measured."""
        for cell in self.cells:
            yield (cell,)

    def experiment(self, cell: Place, seed: int = 0) -> Experiment:
        """The network. seed: counted from that of the base."""
        return self.base.replace(**KINDS[cell.kind], seed=self.base.seed + seed)


@dataclass(frozen=True)
class Depths:
    """Networks of each kind and each depth of LADDER, all trained for as many steps.

    base: what they have in common; its hidden layers have one width. seeds: networks of each kind and depth.
    Raises ExperimentError for what is beyond the limits.
    """

    base: Experiment
    kinds: tuple[str, ...]
    seeds: int = 1

    def __post_init__(self) -> None:
        _check(self.kinds)
        for name, value, most in (("seeds", self.seeds, MOST_SEEDS), ("steps", self.base.steps, MOST_STEPS)):
            if not 1 <= value <= most:
                raise ExperimentError(f"{name} = {value:,} is not allowed here; allowed is 1 to {most:,}")

    @property
    def work(self) -> str:
        """The function that trains the networks, as Plan has it."""
        return "bnviz.engine.grid_scores:scores"

    @property
    def cells(self) -> tuple[Place, ...]:
        """Every network, the shallow ones first: they take the least time."""
        return tuple(Place(kind, depth) for depth in LADDER for kind in self.kinds)

    def tiles(self) -> Iterator[tuple[Place, ...]]:
        """The networks of one kind and depth at a time."""
        for cell in self.cells:
            yield (cell,)

    def experiment(self, cell: Place, seed: int = 0) -> Experiment:
        """The network. seed: counted from that of the base."""
        hidden = (self.base.hidden[0],) * cell.depth
        return self.base.replace(**KINDS[cell.kind], hidden=hidden, seed=self.base.seed + seed)


def _check(kinds: tuple[str, ...]) -> None:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ExperimentError(
            f"kinds = {','.join(kinds)[:40]!r} is not allowed; allowed are one or more of {', '.join(KINDS)}"
        )
