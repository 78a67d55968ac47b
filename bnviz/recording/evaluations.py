"""Loss and accuracy of a Recording, as evaluated on a split of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.recording.recording import Recording
from bnviz.recording.snapshot import Snapshot

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Curve:
    """A measure over the steps at which it was evaluated and finite. steps: (R,) int64; values: (R,) float64.

    examples: how many the latest evaluation was on, 0 before there is any.
    """

    steps: Array
    values: Array
    examples: int


def curve(recording: Recording, split: str, measure: str) -> Curve:
    """The `measure`, "loss" or "accuracy", on a split, "train" or "test"."""
    points = [
        (item.step, point) for item in recording.snapshots for point in item.curves if point.split == split
    ]
    kept = [(step, value) for step, point in points if math.isfinite(value := getattr(point, measure))]
    return Curve(
        np.array([step for step, _ in kept], np.int64),
        np.array([value for _, value in kept], float),
        points[-1][1].examples if points else 0,
    )


def latest(snapshots: Sequence[Snapshot], split: str, measure: str) -> float | None:
    """The `measure` at the latest evaluation on a split; None if there is none or it is no finite number."""
    for item in reversed(snapshots):
        for point in item.curves:
            if point.split == split:
                value = float(getattr(point, measure))
                return value if math.isfinite(value) else None
    return None
