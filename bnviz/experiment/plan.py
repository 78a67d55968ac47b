"""A Plan: many networks to train or to measure one after the other, for a page that shows each once it is done."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Protocol

from bnviz.experiment.experiment import Experiment


class Plan(Hashable, Protocol):
    """What runs.sweeps asks of a Grid of the page Map and of the networks of the page Depth. Hashable."""

    @property
    def seeds(self) -> int:
        """Networks of each cell."""

    @property
    def work(self) -> str:
        """The function that a worker calls with Experiments and a lock, "package.module:function"."""

    @property
    def cells(self) -> Sequence[Hashable]:
        """What there is to do."""

    def tiles(self) -> Iterator[tuple[Any, ...]]:
        """The cells in the order of the work, those together that one call does."""

    def experiment(self, cell: Any, seed: int = 0) -> Experiment:
        """A network of a cell. seed: counted from that of the first."""
