"""Names at the right ends of lines, moved apart where lines meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bnviz.figures.frame.frame import Frame, Panel


@dataclass(frozen=True)
class EndLabel:
    """A name at the end of a line. x: on the x axis, None for its end. height: pixels above the bottom of the panel.

    smaller: by how many pixels its type is smaller than the figure's.
    """

    text: str
    x: float | None
    height: float
    colour: str
    smaller: int


def end_labels(
    frame: Frame,
    panel: Panel,
    labels: Sequence[EndLabel],
    *,
    rows: int = 1,
    gap: int,
    xshift: int,
    yref: str | None = None,
    **properties: Any,
) -> None:
    """Write the labels, no two nearer than the size of the type and `gap` pixels.

    rows: of panels in the figure. xshift: pixels between a line and its label. yref: as in Plotly; None for the panel.
    """
    tall = frame.panel_height(rows)
    places = spread([label.height for label in labels], frame.size + gap, 0, tall)
    for label, place in zip(labels, places, strict=True):
        frame.note(
            label.text,
            xref=f"{panel.x} domain" if label.x is None else panel.x,
            x=1 if label.x is None else frame.note_x(label.x),
            xanchor="left",
            xshift=xshift,
            yref=yref or f"{panel.y} domain",
            y=label.height / tall,
            yshift=place - label.height,
            yanchor="middle",
            **properties,
            font={"size": frame.size - label.smaller, "color": label.colour},
        )


def clipped(share: float) -> float:
    """A share of a panel's height, at the nearest edge where it lies outside."""
    return min(max(share, 0.0), 1.0)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions moved apart, as little as needed, so that neighbours are `gap` apart within [low, high].

    Returns them in the order given.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed = [min(max(positions[index], low), high) for index in order]
    for _ in range(50):
        moved = False
        for below in range(len(placed) - 1):
            lack = gap - (placed[below + 1] - placed[below])
            if lack > 1e-6:
                placed[below] -= lack / 2
                placed[below + 1] += lack / 2
                moved = True
        if placed and (placed[0] < low or placed[-1] > high):
            placed[0], placed[-1] = max(placed[0], low), min(placed[-1], high)
        if not moved:
            break
    result = [0.0] * len(positions)
    for index, position in zip(order, placed, strict=True):
        result[index] = position
    return result
