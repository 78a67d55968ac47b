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
    xshift: float,
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

    Where there is not room for all they are as far apart as there is. Returns them in the order given. The least sum of
    squared moves, by pooling adjacent violators (Ayer et al. 1955) after the gaps below each position are taken off.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    gap = min(gap, (high - low) / max(1, len(order) - 1))
    pools: list[tuple[float, int]] = []  # the mean and the number of positions that have to move together
    for place, index in enumerate(order):
        mean, count = positions[index] - place * gap, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    moved = [mean for mean, count in pools for _ in range(count)]
    highest = high - gap * (len(order) - 1)
    result = [0.0] * len(positions)
    for place, (index, mean) in enumerate(zip(order, moved, strict=True)):
        result[index] = min(max(mean, low), highest) + place * gap
    return result
