"""A Sweep as a browser sees it: the figure's data, the numbers in words, the links. No HTTP in here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bnviz.experiment.comparison import Comparison
from bnviz.experiment.grid import KINDS, Cell, Grid, Score
from bnviz.export.stamp import ArmStamp, Stamp
from bnviz.figures.charts.where_training_works import MapData, accuracy_map
from bnviz.recording import Provenance


def map_data(grid: Grid, scores: Mapping[Cell, tuple[Score, ...]]) -> MapData:
    """What the figure draws."""
    shape = (len(KINDS), grid.size, grid.size)
    accuracy, lowest, highest, diverged = (np.full(shape, np.nan) for _ in range(4))
    for cell, seeds in scores.items():
        place = KINDS.index(cell.normalizer), cell.row, cell.column
        ends = [item.accuracy for item in seeds]
        accuracy[place], lowest[place], highest[place] = np.mean(ends), min(ends), max(ends)
        diverged[place] = sum(item.diverged_at is not None for item in seeds)
    return MapData(
        grid.learning_rates,
        grid.init_scales,
        accuracy,
        lowest,
        highest,
        diverged,
        grid.base.steps,
        grid.seeds,
    )


def map_json(grid: Grid, scores: Mapping[Cell, tuple[Score, ...]], theme: str, narrow: bool) -> bytes:
    """The figure as Plotly reads it. Raises ValueError for a theme that there is not."""
    return accuracy_map.draw(map_data(grid, scores), theme=theme, narrow=narrow).json()


def playground_query(grid: Grid, row: int, column: int) -> dict[str, str]:
    """The Playground's parameters for both networks of a place on the map: the very experiments."""
    plain, normalized = (grid.experiment(Cell(kind, row, column)) for kind in KINDS)
    return Comparison(plain, "normalizer", (plain.normalizer, normalized.normalizer)).to_query()


def map_stamp(grid: Grid, provenance: Provenance, link: str) -> Stamp:
    """Where a map's numbers come from: the two kinds of network, and what was varied."""
    rates, scales = grid.learning_rates, grid.init_scales
    remark = (
        f"{grid.size} × {grid.size} settings: learning rate {rates[0]:g} to {rates[-1]:g}, σ {scales[0]:g} to "
        f"{scales[-1]:g}, {grid.seeds} {'network' if grid.seeds == 1 else 'networks'} each"
    )
    arms = tuple(ArmStamp(grid.base.replace(normalizer=kind), (), None, provenance) for kind in KINDS)
    return Stamp(arms, grid.base.steps, link, remark)
