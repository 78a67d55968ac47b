"""How far a layer's values have moved, and how far two mini-batches lie apart by chance alone.

Drift is the 1-Wasserstein distance between a unit's values at two times, averaged over units, in units of the
nonlinearity's input.
"""

from __future__ import annotations

import math

import numpy as np

CHUNK = 2**16


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


def floor(values: np.ndarray, normalized: bool) -> float:
    """The drift between two mini-batches of one step, measured from the two halves of one of them.

    values: (N, F), in the order of the examples. normalized: whether each unit of the batch was given its mean and
    its standard deviation. NaN where a half is too small.

    Halves hold half as many examples, so that their distance is √2 times as large. Two batches that were normalized
    each differ less than halves that were normalized together: both halves are brought to the mean and the standard
    deviation of the whole, and what is left has two degrees of freedom less. Of a layer that is not normalized, but
    receives or adds what was normalized by the batch, the floor comes out up to 1.5 times too large.
    """
    half, units = len(values) // 2, values.shape[1]
    if half < (3 if normalized else 1):
        return math.nan
    apart, together = 0.0, max(1, CHUNK // half)
    for first in range(0, units, together):
        some = values[: 2 * half, first : first + together]
        halves = [some[:half].T, some[half:].T]
        if normalized:
            halves = [_brought_to(part, some) for part in halves]
        apart += wasserstein(*(np.sort(part, axis=1) for part in halves)) * some.shape[1]
    left = math.sqrt((half - 1) / (half - 2)) if normalized else 1.0  # of (1 − 2/N) to (1 − 2/half)
    return float(apart / units / math.sqrt(2.0) * left)


def _brought_to(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """A half, (F, N / 2), with the mean and the standard deviation that each unit has in the whole, (N, F)."""
    deviations = part - part.mean(axis=1, keepdims=True)
    own = deviations.std(axis=1, keepdims=True)
    scale = np.divide(whole.std(axis=0)[:, None], own, out=np.zeros_like(own), where=own > 0)
    return np.asarray(deviations * scale + whole.mean(axis=0)[:, None])
