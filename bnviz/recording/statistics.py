"""Statistics of numbers that are measured already: medians over seeds and along a line, a matrix in one number."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def middle(values: Array) -> float:
    """The median of the values that are known, the lower of two middle ones; NaN where none is. values: (N,).

    It is always one of the values, also where some are infinite.
    """
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 0.5, method="inverted_cdf")) if known.size else math.nan


def running_median(values: Array, width: int) -> Array:
    """The median of the `width` values around each value, fewer at the ends; NaN stays out. values: (R,)."""
    if values.size < 2:
        return values
    half = min(width, values.size) // 2
    padded = np.pad(values, half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    ordered = np.sort(windows, axis=1)  # NaN last
    count = np.isfinite(windows).sum(axis=1)
    rows = np.arange(values.size)
    median = (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2
    return np.where(np.isfinite(values), median, np.nan)


def mean_correlation(matrix: Array) -> float:
    """The mean absolute correlation of two different units, where it is known; NaN where none is. matrix: (F, F)."""
    values = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else math.nan
