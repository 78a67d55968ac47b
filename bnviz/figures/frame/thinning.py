"""Fewer points of a line, without losing its extremes."""

from __future__ import annotations

import math

import numpy as np

from bnviz.figures.frame.plot import Array

MOST_POINTS = 300


def thin(rows: Array, limit: int = MOST_POINTS) -> Array:
    """Indices of at most `limit` of N points that keep the first, the last and every extreme of any size.

    rows: (K, N) or (N,), K curves over the same points. The points are cut into equal buckets; of each
    bucket every curve's smallest and largest value stay. Returns sorted indices, all of them if N ≤ limit.
    """
    rows = np.atleast_2d(rows)
    curves, points = rows.shape
    if points <= limit:
        return np.arange(points)
    size = math.ceil(points / max(1, (limit - 2) // (2 * curves)))
    buckets = math.ceil(points / size)
    # The last bucket is filled up with copies of the last point, which stays in any case.
    padded = np.concatenate([rows, np.repeat(rows[:, -1:], buckets * size - points, axis=1)], axis=1)
    cut = padded.reshape(curves, buckets, size)
    lowest = np.where(np.isfinite(cut), cut, np.inf).argmin(axis=2)
    highest = np.where(np.isfinite(cut), cut, -np.inf).argmax(axis=2)
    starts = np.arange(buckets) * size
    kept = np.concatenate([(starts + lowest).ravel(), (starts + highest).ravel(), [0, points - 1]])
    return np.unique(np.minimum(kept, points - 1))
