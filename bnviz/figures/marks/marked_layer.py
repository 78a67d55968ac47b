"""A frame around the panels of one layer: the one that a text beside the figure speaks of."""

from __future__ import annotations

from collections.abc import Iterable

from bnviz.figures.frame.frame import Frame, Panel

STROKE = 2.5
"""Pixels, in the colour of the ink, so that it is nobody's of the arms."""


def mark_layer(frame: Frame, panels: Iterable[Panel]) -> None:
    """Draw a frame around each of the panels."""
    frame.shapes += [
        {
            "type": "rect",
            "name": "marked",
            "xref": f"{panel.x} domain",
            "yref": f"{panel.y} domain",
            "x0": 0,
            "x1": 1,
            "y0": 0,
            "y1": 1,
            "line": {"color": frame.theme.ink, "width": STROKE},
        }
        for panel in panels
    ]
