"""A figure as a small picture: the axes of its panels, and the lines that were measured, or a question mark."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bnviz.figures.frame.plot import Plot

WIDTH: Final = 280
HEIGHT: Final = 84
MARGIN: Final = 6
MOST_POINTS: Final = 80
"""Points drawn of a line; more would not be seen."""


def svg(plot: Plot) -> str:
    """The picture, as SVG. A figure without data gives its axes, with a question mark in each panel."""
    axes = [_axes(plot.layout, name) for name in plot.layout if re.fullmatch(r"xaxis\d*", name)]
    lines = [line for trace in plot.data for line in _line(plot, trace)]
    if not lines:
        lines = [_unknown(plot.layout, name) for name in plot.layout if re.fullmatch(r"xaxis\d*", name)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" fill="none" stroke-width="1.5">'
        f"{''.join(axes)}{''.join(lines)}</svg>"
    )


def _axes(layout: Mapping[str, Any], name: str) -> str:
    left, right, top, bottom = _panel(layout, name, _partner(layout, name))
    return f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" stroke="#8a93a0"/>'


def _unknown(layout: Mapping[str, Any], name: str) -> str:
    """A question mark in the middle of a panel: the reader's own run will fill it."""
    left, right, top, bottom = _panel(layout, name, _partner(layout, name))
    place = f'x="{(left + right) / 2:.1f}" y="{(top + bottom) / 2:.1f}"'
    style = 'text-anchor="middle" dominant-baseline="central" font-family="sans-serif" font-size="30"'
    return f'<text {place} {style} fill="#8a93a0" fill-opacity="0.55">?</text>'


def _partner(layout: Mapping[str, Any], name: str) -> str:
    """The vertical axis that belongs to this horizontal one."""
    anchor = str(layout[name].get("anchor", name.replace("xaxis", "y")))
    return f"yaxis{anchor[1:]}" if re.fullmatch(r"y\d*", anchor) else "yaxis"


def _panel(layout: Mapping[str, Any], across: str, up: str) -> tuple[float, float, float, float]:
    """Its left, right, top and bottom in the picture."""
    x = layout.get(across, {}).get("domain", (0, 1))
    y = layout.get(up, {}).get("domain", (0, 1))
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    return (
        MARGIN + wide * x[0],
        MARGIN + wide * x[1],
        MARGIN + high * (1 - y[1]),
        MARGIN + high * (1 - y[0]),
    )


def _line(plot: Plot, trace: Mapping[str, Any]) -> list[str]:
    """The trace as a line; nothing for a trace of another kind, or without two measured points."""
    if trace.get("type", "scatter") not in ("scatter", "scattergl") or "lines" not in trace.get(
        "mode", "lines"
    ):
        return []
    stroke = trace.get("line", {})
    if stroke.get("width", 1) == 0 or trace.get("visible", True) is not True:
        return []
    across, up = (f"{letter}axis{str(trace.get(f'{letter}axis', letter))[1:]}" for letter in ("x", "y"))
    x, y = (_numbers(trace.get(letter), plot.layout, name) for letter, name in (("x", across), ("y", up)))
    if len(x) != len(y):
        return []
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 2:
        return []
    x_low, x_high = _span(plot, "x", across)
    y_low, y_high = _span(plot, "y", up)
    left, right, top, bottom = _panel(plot.layout, across, up)
    chosen = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).astype(int))
    points = " ".join(
        f"{left + (right - left) * min(1.0, max(0.0, (a - x_low) / (x_high - x_low))):.1f},"
        f"{bottom - (bottom - top) * min(1.0, max(0.0, (b - y_low) / (y_high - y_low))):.1f}"
        for a, b in zip(x[chosen], y[chosen], strict=True)
    )
    color = html.escape(str(stroke.get("color", "#8a93a0")), quote=True)
    return [f'<polyline points="{points}" stroke="{color}"/>']


def _numbers(values: Sequence[Any] | np.ndarray | None, layout: Mapping[str, Any], axis: str) -> np.ndarray:
    """As the axis places them; empty if they are no numbers."""
    try:
        found = np.asarray([] if values is None else values, dtype=float).ravel()
    except (TypeError, ValueError):
        return np.empty(0)
    if layout.get(axis, {}).get("type") == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log10(found)
    return found


def _span(plot: Plot, letter: str, axis: str) -> tuple[float, float]:
    """The lowest and the highest value that the axis shows."""
    fixed = plot.layout.get(axis, {}).get("range")
    if fixed is not None and None not in fixed:
        return float(fixed[0]), float(fixed[1])
    mine = [
        _numbers(trace.get(letter), plot.layout, axis)
        for trace in plot.data
        if f"{letter}axis{str(trace.get(f'{letter}axis', letter))[1:]}" == axis
    ]
    every = np.concatenate([np.empty(0), *mine])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)
