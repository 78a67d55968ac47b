"""The loss over a plane through the weights, as contours or as a surface, with the path of training if there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bnviz.figures.frame.axes import log_ticks
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.recording.landscape import Plane

Shape = Literal["contours", "surface"]
SCALE = "Cividis"  # even in lightness, and the same to those who see red and green alike
LEVELS = 12
"""Contour lines between the lowest and the highest loss drawn."""
HIGHEST = 1e3
"""Losses above are drawn as this one: a network far out may have any."""


@dataclass(frozen=True)
class Valley:
    """One network. colour: of its heading."""

    label: str
    colour: str
    plane: Plane


@PlotFunction
def loss_surface(
    networks: Sequence[Valley],
    shape: Shape,
    *,
    title: str,
    subtitle: str,
    span: tuple[float, float] | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """A panel for each network, all with the same colours for the same loss, and the same heights.

    span: losses that the scale reaches in any case, so that figures of several steps have the same scale.

    From what the inspection `surface` found. Not to be mistaken for the loss in all directions: a plane is two of tens
    of thousands, and a valley in it may be a ridge in others.
    """
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=720 if narrow else 470,
        view=("loss_surface", title, shape),
        wide=130,
        left=66,
        right=92,
        head=26,
    )
    frame.layout["hovermode"] = "closest"
    frame.meta |= {"x": "first direction", "y": "second direction"}
    grids = [item.plane.grid for item in networks]
    low, high = _range([losses for _, _, losses in grids], span)
    first: Panel | None = None
    if shape == "surface":
        _surfaces(frame, networks, (low, high))
    else:
        first = _contours(frame, networks, (low, high))[0]
    if not any(losses.size for _, _, losses in grids):
        frame.place_for_words(first, "Press Measure.")
    return frame.plot(_alt(networks, title))


def _range(losses: Sequence[np.ndarray], span: tuple[float, float] | None) -> tuple[float, float]:
    """The lowest and the highest loss of all, as powers of ten."""
    found = [logarithm(item) for item in (*losses, np.array(span or ())) if item.size]
    if not found:
        return -1.0, 1.0
    low, high = min(float(item.min()) for item in found), max(float(item.max()) for item in found)
    return (low, high) if high - low > 1e-6 else (low - 0.1, high + 0.1)


def logarithm(losses: np.ndarray) -> np.ndarray:
    """log₁₀ of losses, those of 0 as 1e-6, those above HIGHEST as HIGHEST."""
    return np.asarray(np.log10(np.clip(losses, 1e-6, HIGHEST)))


def _contours(frame: Frame, networks: Sequence[Valley], limits: tuple[float, float]) -> list[Panel]:
    """Each network's loss in a panel of its own. Returns the panels."""
    axis = {"zeroline": False, "showgrid": False, "tickformat": ".3~g"}
    upward = axis | {"title": {"text": "second direction"}}
    panels = frame.row(len(networks), axis, upward, gap_x=0.09, gap_y=56, each_y=True)
    for panel, item in zip(panels, networks, strict=True):
        frame.header(panel, f"<b>{item.label}</b>", item.colour)
        across, up, losses = item.plane.grid
        for name, values in ((panel.x, across), (panel.y, up)):
            own = frame.axis(name)
            own.pop("matches", None)
            own["range"] = [float(values[0]), float(values[-1])] if values.size else [-1.0, 1.0]
        if losses.size:
            _heat(frame, panel, item, limits, bar=panel is panels[0])
            _path(frame, panel, item)
    frame.axis_note("first direction")
    return panels


def _heat(frame: Frame, panel: Panel, item: Valley, limits: tuple[float, float], bar: bool) -> None:
    """The loss as colour, and lines of equal loss over it."""
    across, up, losses = item.plane.grid
    place = {"x": across, "y": up, "xaxis": panel.x, "yaxis": panel.y, "name": item.label}
    shared = {"z": logarithm(losses), "colorscale": SCALE, "zmin": limits[0], "zmax": limits[1]}
    frame.curves.append(
        {"type": "heatmap", "zsmooth": "best", "customdata": losses, "showscale": bar}
        | {"hovertemplate": "loss %{customdata:.3~g}<extra></extra>", "colorbar": _bar(frame, limits)}
        | place
        | shared
        | tabled(panel=f"{item.label}, log₁₀ of the loss")
    )
    size = (limits[1] - limits[0]) / LEVELS
    lines = {"coloring": "none", "start": limits[0], "end": limits[1], "size": size}
    frame.curves.append(
        {"type": "contour", "showscale": False, "hoverinfo": "skip", "contours": lines}
        | {"line": {"color": "rgba(255,255,255,0.6)", "width": 0.8}}
        | place
        | {"z": shared["z"]}
        | UNTABLED
    )


def _bar(frame: Frame, limits: tuple[float, float]) -> dict[str, Any]:
    """A bar of colours with losses, not their logarithms, beside it."""
    ticks = log_ticks(*limits)
    return {
        "title": {"text": "loss", "side": "right", "font": {"size": frame.size - 1}},
        "tickmode": "array",
        "tickvals": [math.log10(float(value)) for value in ticks["tickvals"]],
        "ticktext": ticks["ticktext"],
        "thickness": 12,
        "outlinewidth": 0,
        "tickfont": {"size": frame.size - 2, "color": frame.theme.quiet},
    }


def _path(frame: Frame, panel: Panel, item: Valley) -> None:
    """The weights in training as a line with its steps, or the weights as a cross in the middle."""
    plane = item.plane
    points = plane.path if plane.steps.size else np.zeros((1, 2))
    steps = plane.steps.tolist() if plane.steps.size else [""]
    ends = np.array(
        ["cross-thin"] if len(points) == 1 else ["circle-open", *["circle"] * (len(points) - 2), "x-thin"]
    )
    frame.curves.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": points[:, 0],
            "y": points[:, 1],
            "xaxis": panel.x,
            "yaxis": panel.y,
            "name": "the weights",
            "text": [f"step {step:,}" if step != "" else "the weights" for step in steps],
            "hovertemplate": "%{text}<extra></extra>",
            "showlegend": False,
            "line": {"color": "#FFFFFF", "width": 1.5},
            "marker": {
                "symbol": ends.tolist(),
                "size": [10, *[4] * (len(points) - 2), 11][: len(points)],
                "color": "#FFFFFF",
                "line": {"color": "#FFFFFF", "width": 2},
            },
        }
        | tabled(panel=f"{item.label}, the weights in training", name="second direction")
    )


def _surfaces(frame: Frame, networks: Sequence[Valley], limits: tuple[float, float]) -> None:
    """Each network's surface in a scene of its own, seen from the same side."""
    ticks = log_ticks(*limits)
    heights = {
        "title": {"text": "loss", "font": {"size": frame.size - 2}},
        "range": [*limits],
        "tickmode": "array",
        "tickvals": [math.log10(float(value)) for value in ticks["tickvals"]],
        "ticktext": ticks["ticktext"],
    }
    for place, item in enumerate(networks):
        across, up, losses = item.plane.grid
        scene = f"scene{place + 1}" if place else "scene"
        share = 1 / len(networks)
        side = [place * share, (place + 1) * share - 0.02]
        down = [1 - (place + 1) * share, 1 - place * share - 0.06]
        small = {"size": frame.size - 2}
        quiet = {
            "gridcolor": frame.theme.grid,
            "color": frame.theme.quiet,
            "showbackground": False,
            "tickfont": small,
        }
        frame.layout[scene] = {
            "domain": {"x": [0, 1], "y": down} if frame.narrow else {"x": side, "y": [0, 0.94]},
            "xaxis": quiet | {"title": {"text": "first", "font": small}},
            "yaxis": quiet | {"title": {"text": "second", "font": small}},
            "zaxis": quiet | heights,
            "aspectmode": "manual",
            "aspectratio": {"x": 1, "y": 1, "z": 0.8},
            "camera": {"eye": {"x": 1.05, "y": -1.25, "z": 0.7}, "center": {"x": 0, "y": 0, "z": -0.15}},
        }
        frame.note(
            f"<b>{item.label}</b>",
            name="heading",
            xref="paper",
            yref="paper",
            x=0.0 if frame.narrow else side[0],
            y=down[1] if frame.narrow else 0.94,
            xanchor="left",
            yanchor="bottom",
            font={"size": frame.size, "color": frame.theme.ink},
        )
        if losses.size:
            frame.curves.append(
                {"type": "surface", "scene": scene, "x": across, "y": up, "z": logarithm(losses)}
                | {"cmin": limits[0], "cmax": limits[1], "colorscale": SCALE, "showscale": not place}
                | {"name": item.label, "customdata": losses, "colorbar": _bar(frame, limits)}
                | {"hovertemplate": "loss %{customdata:.3~g}<extra></extra>"}
                | {"contours": {"z": {"show": True, "color": "rgba(255,255,255,0.5)", "width": 1}}}
                | tabled(panel=f"{item.label}, log₁₀ of the loss")
            )


def _alt(networks: Sequence[Valley], title: str) -> str:
    """The middle, the lowest and the highest loss in words."""
    parts = []
    for item in networks:
        _, _, losses = item.plane.grid
        if not losses.size:
            parts.append(f"{item.label}: nothing yet")
            continue
        told = f"{item.label}: loss {short(float(losses.min()))} at the lowest point"
        if not item.plane.steps.size:
            middle = losses[len(losses) // 2, len(losses) // 2]
            told += f", {short(float(middle))} at the weights in the middle"
        edge = np.concatenate([losses[0], losses[-1], losses[:, 0], losses[:, -1]])
        told += f", {short(float(np.median(edge)))} at the edge (median)"
        if item.plane.explained.size:
            told += f"; the two directions hold {item.plane.explained.sum():.0%} of the path’s variance"
        parts.append(told)
    return f"{title}. " + "; ".join(parts) + "."
