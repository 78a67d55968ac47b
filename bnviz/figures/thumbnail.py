"""A small picture of a run: what its last layers received, a band and a median for each arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.figures.frame.arms import MAX_ARMS, ArmStyle, arm_styles
from bnviz.figures.frame.palette import DASHES
from bnviz.recording import Recording

WIDTH, HEIGHT = 240, 84
MARGIN = 3
POINTS = 60
"""The most steps of a recording that are drawn."""


def thumbnail(recordings: Sequence[Recording]) -> str:
    """An SVG of the bands from the 15th to the 85th percentile and the medians, of at most MAX_ARMS arms.

    The arms share both axes. It holds numbers and our own words alone.
    """
    shown = list(recordings[:MAX_ARMS])
    series = [_series(item) for item in shown]
    steps = max(item.planned_steps for item in shown)
    low, high = _range(series)
    parts = [
        _arm(style, values, steps, low, high)
        for style, values in zip(arm_styles(shown), series, strict=True)
        if len(values)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}">{"".join(parts)}</svg>'
    )


def _series(recording: Recording) -> np.ndarray:
    """(points, 4): step, and the three quantiles of the last layer's input; only finite rows."""
    layer = len(recording.widths)
    columns = [recording.layer_column(layer, name) for name in ("q15", "q50", "q85")]
    values = np.stack([recording.steps.astype(np.float64), *columns], axis=1)
    values = values[np.isfinite(values).all(axis=1)]
    kept = np.unique(np.linspace(0, max(0, len(values) - 1), POINTS).astype(np.int64))
    return np.asarray(values[kept] if len(values) else values)


def _range(series: Sequence[np.ndarray]) -> tuple[float, float]:
    """The range of the y axis: the middle 96 % of the values, as a network that diverges leaves extremes behind."""
    values = np.concatenate([item[:, 1:].ravel() for item in series])
    if not values.size:
        return -1.0, 1.0
    low, high = (float(end) for end in np.quantile(values, [0.02, 0.98]))
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _arm(style: ArmStyle, values: np.ndarray, steps: int, low: float, high: float) -> str:
    x = MARGIN + (WIDTH - 2 * MARGIN) * values[:, 0] / steps
    share = np.clip((values[:, 1:] - low) / (high - low), -0.2, 1.2)
    bottom, middle, top = (HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share).T
    band = _points(np.concatenate([x, x[::-1]]), np.concatenate([bottom, top[::-1]]))
    dash = DASHES[style.dash].thin
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polygon points="{band}" fill="{style.colour}" fill-opacity="0.25"/>'
        f'<polyline points="{_points(x, middle)}" fill="none" stroke="{style.colour}" stroke-width="1.8"{dashes}/>'
    )


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
