"""A Grid of experiments: learning rate × scale of the initial weights, with batch normalization and without.

It answers "which settings train?". Every cell is a network to train; the networks differ only in these
three fields and the seed. A runs.sweeps.Sweep trains them, and the page Map shows them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bnviz.experiment.experiment import Experiment
from bnviz.experiment.knob import ExperimentError

BASE = Experiment(
    dataset="digits", hidden=(32,) * 3, activation="sigmoid", batch_size=60, init="gaussian", steps=300
)
"""Small and short enough for hundreds of networks in a minute; sigmoids, as in the paper's Figure 1."""

KINDS = ("none", "batch")
LEARNING_RATES = (0.003, 30.0)
INIT_SCALES = (0.003, 10.0)
"""The ends of the axes, which are evenly spaced on a logarithmic scale."""

SIZES = (4, 6, 8, 12)
MOST_SEEDS = 5
MOST_STEPS = 1000
MOST_UNITS = 400
TILE = 36
"""The most networks in one stack: a larger one gains little, and this one takes a second or two."""


@dataclass(frozen=True, order=True)
class Cell:
    """A cell. normalizer: of KINDS. row, column: the indices of the scale and of the learning rate, from 0."""

    normalizer: str
    row: int
    column: int


@dataclass(frozen=True)
class Score:
    """How a network ended, on all held-out examples. If it diverged, accuracy is that of guessing, and loss NaN."""

    accuracy: float
    loss: float
    diverged_at: int | None = None


@dataclass(frozen=True)
class Grid:
    """The networks to train. size: cells along each axis. seeds: networks in each cell; the map shows their mean.

    Raises ExperimentError for a base that is too large for so many networks, or cannot be stacked.
    """

    base: Experiment
    size: int = 12
    seeds: int = 1

    def __post_init__(self) -> None:
        base = self.base
        if self.size not in SIZES:
            raise ExperimentError(
                f"size = {self.size} is not allowed; allowed is one of {', '.join(map(str, SIZES))}"
            )
        for name, value, most in (
            ("seeds", self.seeds, MOST_SEEDS),
            ("steps", base.steps, MOST_STEPS),
            ("units of all layers", sum(base.hidden), MOST_UNITS),
        ):
            if not 1 <= value <= most:
                raise ExperimentError(
                    f"{name} = {value:,} is not allowed on the map; allowed is 1 to {most:,}"
                )
        if base.init != "gaussian" or base.architecture != "mlp" or base.dropout or base.trainable != "all":
            raise ExperimentError(
                "the map has Gaussian initial weights, layers of units that all learn, and no dropout"
            )

    @property
    def work(self) -> str:
        """The function that trains the networks, as Plan has it."""
        return "bnviz.engine.grid_scores:scores"

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The learning rate of each column."""
        return _spaced(*LEARNING_RATES, self.size)

    @property
    def init_scales(self) -> tuple[float, ...]:
        """The scale σ of the initial weights of each row."""
        return _spaced(*INIT_SCALES, self.size)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells."""
        places = range(self.size)
        return tuple(Cell(kind, row, column) for kind in KINDS for row in places for column in places)

    def experiment(self, cell: Cell, seed: int = 0) -> Experiment:
        """The network of a cell. seed: counted from 0, added to the base's."""
        return self.base.replace(
            normalizer=cell.normalizer,
            learning_rate=self.learning_rates[cell.column],
            init_scale=self.init_scales[cell.row],
            seed=self.base.seed + seed,
        )

    def tiles(self) -> Iterator[tuple[Cell, ...]]:
        """The cells in the order of training, coarse to fine, cut into tiles of one normalizer each."""
        stride = 4
        known: set[Cell] = set()
        while stride:
            lattice = [
                cell
                for cell in self.cells
                if cell.row % stride == 0 and cell.column % stride == 0 and cell not in known
            ]
            known.update(lattice)
            parts = [[cell for cell in lattice if cell.normalizer == kind] for kind in KINDS]
            most = max(1, TILE // self.seeds)
            for start in range(0, max(map(len, parts)), most):
                for part in parts:
                    if tile := tuple(part[start : start + most]):
                        yield tile
            stride //= 2


def _spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    """Evenly spaced on a logarithmic scale, rounded to two digits, so that links are short and exact."""
    ratio = math.log(high / low) / (count - 1)
    return tuple(float(f"{low * math.exp(ratio * place):.2g}") for place in range(count))
