"""The tables of a Recording: Snapshots as tidy pandas data frames, a row for each thing measured.

Shapes: R records, L layers, U units of all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from bnviz.recording.snapshot import (
    BOUNDARY_POINTS,
    GRADIENT_EDGES,
    HISTOGRAM_EDGES,
    LAYER_COLUMNS,
    UNIT_COLUMNS,
    Snapshot,
)

CURVE_COLUMNS = ("step", "split", "loss", "accuracy", "examples")


def recorded_steps(snapshots: Sequence[Snapshot]) -> np.ndarray:
    """The steps of the records, (R,) int64."""
    return np.array([item.step for item in snapshots], dtype=np.int64)


def layer_values(snapshots: Sequence[Snapshot], widths: Sequence[int]) -> np.ndarray:
    """(R, L, len(LAYER_COLUMNS)) float64: record, layer, column."""
    if not snapshots:
        return np.empty((0, len(widths), len(LAYER_COLUMNS)))
    return np.stack([item.layers for item in snapshots])


def unit_values(snapshots: Sequence[Snapshot], widths: Sequence[int]) -> np.ndarray:
    """(R, U, len(UNIT_COLUMNS)) float32: record, unit, column; units layer after layer."""
    if not snapshots:
        return np.empty((0, sum(widths), len(UNIT_COLUMNS)), np.float32)
    return np.stack([item.units for item in snapshots])


def layers_table(steps: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """A row per (step, layer). steps: (R,). values: as `layer_values` gives them."""
    records, layers, columns = values.shape
    frame = pd.DataFrame(values.reshape(records * layers, columns), columns=list(LAYER_COLUMNS))
    frame.insert(0, "step", np.repeat(steps, layers))
    frame.insert(1, "layer", np.tile(np.arange(1, layers + 1), records))
    return frame


def units_table(steps: np.ndarray, values: np.ndarray, widths: Sequence[int]) -> pd.DataFrame:
    """A row per (step, layer, unit). steps: (R,). values: as `unit_values` gives them."""
    records, units, columns = values.shape
    frame = pd.DataFrame(values.reshape(records * units, columns), columns=list(UNIT_COLUMNS))
    layer, unit = unit_keys(widths)
    frame.insert(0, "step", np.repeat(steps, units))
    frame.insert(1, "layer", np.tile(layer, records))
    frame.insert(2, "unit", np.tile(unit, records))
    return frame


def unit_keys(widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The layer of each unit and its number within the layer, (U,) each; both count from 1."""
    layer = np.repeat(np.arange(1, len(widths) + 1), widths)
    return layer, np.concatenate([np.arange(1, width + 1) for width in widths])


def curves_table(snapshots: Sequence[Snapshot]) -> pd.DataFrame:
    """A row per (step, split): loss and accuracy in inference mode on `examples` examples."""
    rows = [(item.step, *asdict(point).values()) for item in snapshots for point in item.curves]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def histograms_table(snapshots: Sequence[Snapshot], layers: int) -> pd.DataFrame:
    """A row per (step, layer, bin): the bin's edges and how many probe values fell between them."""
    counts = [item.histogram for item in snapshots]
    return _counts_table(recorded_steps(snapshots), counts, HISTOGRAM_EDGES, layers)


def gradients_table(snapshots: Sequence[Snapshot], layers: int) -> pd.DataFrame:
    """A row per (step, layer, bin): the bin's edges and how many magnitudes of the gradient fell between them."""
    counted = [(item.step, item.gradients) for item in snapshots if item.gradients is not None]
    steps = np.array([step for step, _ in counted], np.int64)
    return _counts_table(steps, [counts for _, counts in counted], GRADIENT_EDGES, layers)


def _counts_table(
    steps: np.ndarray, counts: Sequence[np.ndarray], edges: np.ndarray, layers: int
) -> pd.DataFrame:
    """counts: of each step, (layers, bins)."""
    records, bins = len(steps), len(edges) - 1
    return pd.DataFrame(
        {
            "step": np.repeat(steps, layers * bins),
            "layer": np.tile(np.repeat(np.arange(1, layers + 1), bins), records),
            "low": np.tile(edges[:-1], records * layers),
            "high": np.tile(edges[1:], records * layers),
            "count": np.stack(counts).ravel() if len(counts) else np.empty(0, np.int32),
        }
    )


def boundaries_table(snapshots: Sequence[Snapshot]) -> pd.DataFrame:
    """For two-dimensional data, a row per (step, grid point): 255 × the probability of class 1."""
    drawn = [(item.step, item.boundary) for item in snapshots if item.boundary is not None]
    points = BOUNDARY_POINTS**2
    return pd.DataFrame(
        {
            "step": np.repeat(np.array([step for step, _ in drawn], np.int64), points),
            "point": np.tile(np.arange(points), len(drawn)),
            "probability": np.concatenate([grid.ravel() for _, grid in drawn])
            if drawn
            else np.empty(0, np.uint8),
        }
    )


def all_tables(snapshots: Sequence[Snapshot], widths: Sequence[int]) -> dict[str, pd.DataFrame]:
    """Every table by its name, in the order of TABLES; then those of LATER_TABLES that are not empty."""
    steps = recorded_steps(snapshots)
    later = {"gradients": gradients_table(snapshots, len(widths))}
    return {
        "layers": layers_table(steps, layer_values(snapshots, widths)),
        "units": units_table(steps, unit_values(snapshots, widths), widths),
        "curves": curves_table(snapshots),
        "histograms": histograms_table(snapshots, len(widths)),
        "boundaries": boundaries_table(snapshots),
    } | {name: frame for name, frame in later.items() if len(frame)}
