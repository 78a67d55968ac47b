"""Decision boundary: for two-dimensional data, how sure each network is of its answer at every point of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.frame import Frame, Panel, side_by_side
from bnviz.figures.frame.palette import CLASS_COLOURS, mixed
from bnviz.figures.frame.plot import Array, Plot, PlotFunction, compact
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.recording import Recording, Snapshot
from bnviz.recording.snapshot import BOUNDARY_POINTS, BOUNDARY_RANGE

MOST_DRAWN = 400
SYMBOLS = ("circle", "triangle-up")


@PlotFunction
def boundary(
    recordings: Sequence[Recording],
    points: tuple[Array, Array] | None = None,
    step: int | None = None,
    *,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """The probability of class 1 over the plane, a panel for each arm, with the line where the answer tips.

    points: training examples (N, 2) and their classes (N,), 0 or 1, drawn on top (at most 400, evenly chosen).
    step: the latest map at or before it; None for the latest. Raises ValueError.

    Column: `probability` of `Recording.boundaries`, in bytes, in inference mode, on a grid of 48 × 48 points.
    Not to be mistaken for being right: a network is as sure far from all data as near it. A line finer than the grid
    is interpolated.
    """
    places, classes = checked_points(points)
    arms = arm_styles(recordings)
    shown = [shown_map(item, step) for item in recordings]
    at = max((item.step for item in shown if item is not None), default=None)
    rows, columns = side_by_side(len(arms), narrow)
    frame = Frame(
        "What each network answers over the plane" + ("" if at is None else f", step {at:,}"),
        "Probability of each class in inference mode. Line: where the answer tips, at one half."
        + (" Points: training examples." if len(places) else ""),
        theme=theme,
        narrow=narrow,
        height=430 if not narrow else 150 + 290 * rows,
        view=("boundary",),
        wide=120,
        head=26 if columns < 3 else 42,
        right=96 if not narrow else 14,
    )
    low, high = BOUNDARY_RANGE
    axis = {"range": [low, high], "tickvals": [-1, 0, 1], "showgrid": False, "constrain": "domain"}
    panels = frame.row(len(arms), axis, axis | {"title": {"text": "second coordinate"}}, gap_x=0.06)
    frame.layout["hovermode"] = "closest"
    for panel in panels:
        frame.axis(panel.y).update({"scaleanchor": panel.x, "constraintoward": "top"})
    for a, (arm, item) in enumerate(zip(arms, shown, strict=True)):
        panel = panels[a]
        frame.header(panel, arm.heading(columns > 2), arm.colour)
        if item is not None and item.step != at:
            frame.panel_note(
                panel, f"as last recorded, at step {item.step:,}", xshift=4, bgcolor=frame.theme.paper
            )
        draw_boundary(frame, panel, arm, item, (places, classes), bar=a == 0)
    frame.axis_note("first coordinate")
    alt = _alt([arm.label for arm in arms], shown)
    return frame.plot(alt)


def draw_boundary(
    frame: Frame,
    panel: Panel,
    arm: ArmStyle,
    item: Snapshot | None,
    points: tuple[Array, Array],
    bar: bool,
    invite: str = "Drawn here for two-dimensional<br>data while the network trains.",
) -> None:
    """The map of one arm, and the training examples on it. bar: with the scale of the colours. invite: what is
    said where nothing is drawn yet, "" for nothing."""
    places, classes = points
    caption = f"{arm.label}, probability of class 1"
    _map(frame, panel, item, bar=bar, letter=arm.letter, caption=caption)
    for kind, (symbol, colour) in enumerate(zip(SYMBOLS, CLASS_COLOURS, strict=True)):
        chosen = places[classes == kind]
        frame.curves.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": compact(chosen[:, 0]),
                "y": compact(chosen[:, 1]),
                "xaxis": panel.x,
                "yaxis": panel.y,
                "name": f"class {kind}",
                **tabled(panel="Training examples", points=True),
                "marker": {
                    "symbol": symbol,
                    "size": 5 if frame.narrow else 6,
                    "color": mixed(colour, "#000000", 0.25),
                    "line": {"width": 1, "color": "#FFFFFF"},
                },
                "hovertemplate": f"class {kind}<extra></extra>",
                "legendgroup": arm.letter,
                "showlegend": False,
            }
        )
    if item is None and invite:
        frame.place_for_words(panel, invite)


def checked_points(points: tuple[Array, Array] | None) -> tuple[Array, Array]:
    """The points to draw, (n, 2) and (n,). Raises ValueError for anything but two arrays that fit."""
    if points is None:
        return np.zeros((0, 2)), np.zeros(0, int)
    if isinstance(points, str) or len(points) != 2 or np.ndim(points[0]) != 2 or np.shape(points[0])[1] != 2:
        raise ValueError("points are not allowed in this form; allowed is a pair of arrays, (N, 2) and (N,)")
    places, classes = np.asarray(points[0]), np.asarray(points[1])
    kept = np.unique(np.linspace(0, len(places) - 1, min(len(places), MOST_DRAWN)).astype(int))
    return places[kept], classes[kept]


def shown_map(recording: Recording, step: int | None) -> Snapshot | None:
    """The latest snapshot with a map at or before `step`, else the first with one."""
    drawn = [item for item in recording.snapshots if item.boundary is not None]
    before = [item for item in drawn if step is None or item.step <= step]
    return before[-1] if before else drawn[0] if drawn else None


def _map(frame: Frame, panel: Panel, item: Snapshot | None, bar: bool, letter: str, caption: str) -> None:
    """The probability as a colour, and the line at one half. The map is in bytes: 255 is certainty."""
    axis = np.linspace(*BOUNDARY_RANGE, BOUNDARY_POINTS, dtype=np.float32)
    grid = item.boundary if item is not None and item.boundary is not None else np.zeros((0, 0), np.uint8)
    first, second = (mixed(colour, frame.theme.paper, 0.15) for colour in CLASS_COLOURS)
    base: dict[str, Any] = {
        "x": axis,
        "y": axis,
        "z": grid,
        "xaxis": panel.x,
        "yaxis": panel.y,
        "hoverinfo": "skip",
    }
    base |= {"legendgroup": letter, "showlegend": False, "zmin": 0, "zmax": 255}
    frame.curves.append(
        base
        | {
            "type": "heatmap",
            **tabled(panel=caption, largest=255.0),
            "zsmooth": "best",
            "colorscale": [[0, first], [0.5, mixed(frame.theme.paper, frame.theme.ink, 0.04)], [1, second]],
            "showscale": bar and not frame.narrow,
            "colorbar": {
                "thickness": 10,
                "len": 0.9,
                "outlinewidth": 0,
                "tickvals": [0, 127.5, 255],
                "ticktext": ["class 0<br>for sure", "undecided", "class 1<br>for sure"],
                "tickfont": {"size": frame.size - 2, "color": frame.theme.quiet},
            },
        }
    )
    frame.curves.append(
        base
        | {
            "type": "contour",
            **UNTABLED,
            "contours": {"start": 127.5, "end": 127.5, "size": 1, "coloring": "none"},
            "line": {"color": frame.theme.ink, "width": frame.theme.line},
            "showscale": False,
        }
    )


def _alt(labels: Sequence[str], shown: Sequence[Snapshot | None]) -> str:
    """Two sentences for those who do not see the figure."""
    said = (
        "Maps of the plane, one for each arm, coloured by the probability that the network gives to class 1. "
    )
    parts = []
    for label, item in zip(labels, shown, strict=True):
        if item is None or item.boundary is None:
            parts.append(f"{label} has no map")
            continue
        sure = np.abs(item.boundary.astype(float) / 255 - 0.5) > 0.4
        parts.append(
            f"{label} at step {item.step:,} gives class 1 on {(item.boundary > 127).mean():.0%} of the area "
            f"and is at least 90 % sure on {sure.mean():.0%} of it"
        )
    return said + "; ".join(parts) + "."
