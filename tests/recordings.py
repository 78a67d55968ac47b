"""Recordings made up for tests: plausible numbers in the right places, without training anything."""

from __future__ import annotations

import numpy as np
from scipy import special

from bnviz.experiment import Experiment
from bnviz.recording import CurvePoint, Recording, Snapshot
from bnviz.recording.snapshot import (
    BOUNDARY_POINTS,
    GRADIENT_EDGES,
    HISTOGRAM_EDGES,
    LAYER_COLUMNS,
    QUANTILE_COLUMNS,
    QUANTILES,
    UNIT_COLUMNS,
)

FLAT = ("spirals", "moons", "circles")


def recording(
    experiment: Experiment | None = None,
    records: int = 40,
    shift: float = 0.0,
    spread: float = 1.0,
    diverged_at: int | None = None,
) -> Recording:
    """An arm whose layers receive Gaussians, wandering by `shift` in all, evenly over `records` records.

    With diverged_at, the last record before it has grown a millionfold.
    """
    experiment = experiment or Experiment(steps=1000)
    last = experiment.steps if diverged_at is None else diverged_at - 1
    steps = np.unique(np.linspace(0, last, records).astype(int))
    snapshots = []
    for index, step in enumerate(steps):
        share = index / max(1, len(steps) - 1)
        wild = 1e6 if diverged_at is not None and index == len(steps) - 1 else 1.0
        snapshots.append(snapshot(experiment, int(step), shift * share * wild, spread * wild, share))
    return Recording(experiment, snapshots=tuple(snapshots), diverged_at=diverged_at)


def snapshot(experiment: Experiment, step: int, mean: float, std: float, share: float) -> Snapshot:
    """One record: layer l receives N(mean, std) in all its units. share: how much of the run is done."""
    depth, units = len(experiment.hidden), sum(experiment.hidden)
    layers = np.full((depth, len(LAYER_COLUMNS)), np.nan)
    column = {name: position for position, name in enumerate(LAYER_COLUMNS)}
    quantiles = mean + std * special.ndtri(QUANTILES)
    for prefix in ("", "before_"):
        layers[:, column[f"{prefix}mean"]] = mean
        layers[:, column[f"{prefix}std"]] = std
        layers[:, [column[f"{prefix}{name}"] for name in QUANTILE_COLUMNS]] = quantiles
    flat = "dead" if experiment.activation == "relu" else "saturated"
    layers[:, column[flat]] = 0.1 * share
    layers[:, column["drift"]] = abs(mean) * np.arange(1, depth + 1)
    if step:
        layers[:, column["grad_norm"]] = 0.5 / np.arange(1, depth + 1) / (1 + 9 * share)
        layers[:, column["update_ratio"]] = 3e-3 / np.arange(1, depth + 1) / (1 + 9 * share)
    layers[:, column["weight_norm"]] = np.arange(1, depth + 1) * (1 + share)
    per_unit = np.zeros((units, len(UNIT_COLUMNS)), np.float32)
    per_unit[:, :3] = quantiles[[1, 3, 5]]
    below = special.ndtr((HISTOGRAM_EDGES - mean) / std)
    below[0], below[-1] = 0.0, 1.0  # the outermost bins take all beyond
    counts = np.diff(below) * 10_000
    rounded = np.tile(np.rint(counts).astype(np.int32), (depth, 1))
    curves = tuple(
        CurvePoint(split, 2.3 * (1 - 0.9 * share), 0.1 + 0.8 * share, examples)
        for split, examples in (("train", 500), ("test", 360))
    )
    grid = None
    if experiment.dataset in FLAT:
        row = np.linspace(0, 255 * max(share, 0.6), BOUNDARY_POINTS).astype(np.uint8)
        grid = np.tile(row, (BOUNDARY_POINTS, 1))
    return Snapshot(
        step, layers, per_unit, rounded, curves, grid, gradient_counts(depth, share) if step else None
    )


def gradient_counts(depth: int, share: float) -> np.ndarray:
    """A third is exactly zero; the logarithms of the others are a Gaussian that moves down as training goes on."""
    with np.errstate(divide="ignore"):
        edges = np.log10(GRADIENT_EDGES[1:])
    rows = [np.diff(special.ndtr((edges + 3 + share + layer) / 0.5)) for layer in range(depth)]
    counts = np.rint(2000 * np.array(rows)).astype(np.int32)
    return np.concatenate([np.full((depth, 1), 1000, np.int32), counts], axis=1)


def pair(**changes: object) -> list[Recording]:
    """Two arms that differ in the normalizer alone: A without wanders by 3, B with stays where it is."""
    base = Experiment(steps=1000).replace(**changes)
    return [
        recording(base.replace(normalizer="none"), shift=3.0),
        recording(base.replace(normalizer="batch")),
    ]
