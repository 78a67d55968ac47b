"""Where the nonlinearity hardly answers: saturated, or silent. Shaded, and called by its name."""

from __future__ import annotations

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import zones

FAR = 1000
"""Zones reach this many times as far as the axis, so that zooming out shows them too."""


def shade_zones(
    frame: Frame, panel: Panel, activation: str, low: float, high: float, *, upright: bool
) -> None:
    """Shade the zones. low, high: of the axis of the input. upright: it is the x axis, else the y axis."""
    for start, end in zones(activation)[0]:
        near, far = max(start, FAR * low), min(end, FAR * high)
        frame.shapes.append(
            {
                "type": "rect",
                "xref": panel.x if upright else f"{panel.x} domain",
                "yref": f"{panel.y} domain" if upright else panel.y,
                "x0": near if upright else 0,
                "x1": far if upright else 1,
                "y0": 0 if upright else near,
                "y1": 1 if upright else far,
                "fillcolor": frame.theme.zone,
                "line": {"width": 0},
                "layer": "below",
            }
        )


def zone_label(
    frame: Frame, panel: Panel, activation: str, high: float, low: float, short: bool = False
) -> None:
    """Say once what the shading means, if it is in the frame. short: in a word, for a small panel."""
    intervals, words = zones(activation)
    if not intervals or not any(start < high and end > low for start, end in intervals):
        return
    if frame.narrow or short:
        words = words.split(":")[0]
    top = intervals[-1][1] > high
    frame.panel_note(
        panel,
        words,
        y=1.0 if top else 0.0,
        yanchor="top" if top else "bottom",
        xshift=4,
        font={"size": frame.size - 2, "color": frame.theme.quiet},
    )
