"""Where training works: accuracy over learning rate and scale of the initial weights, without and with BN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import WITH, WITHOUT
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.figures.frame.theme import readable

USABLE = 0.8
"""Training works with a setting if the network ends with this accuracy on held-out examples."""

NAMES = ("no normalization", "batch norm")
COLOURS = (WITHOUT[0], WITH[0])
SCALE = "Cividis"  # even in lightness, and the same to those who see red and green alike


@dataclass(frozen=True, eq=False)
class MapData:
    """What to draw. Each (2, rows, columns), without batch normalization first; NaN where nothing is trained yet.

    accuracy: mean over the seeds. lowest, highest: of the seeds. diverged: how many seeds did.
    learning_rates: of the columns. init_scales: of the rows. steps, seeds: of each network, of each cell.
    """

    learning_rates: Sequence[float]
    init_scales: Sequence[float]
    accuracy: Array
    lowest: Array
    highest: Array
    diverged: Array
    steps: int
    seeds: int

    @property
    def usable(self) -> tuple[int, int]:
        """The settings that reach USABLE, without batch normalization and with it."""
        counts = (np.nan_to_num(self.accuracy) >= USABLE).sum(axis=(1, 2))
        return int(counts[0]), int(counts[1])

    @property
    def trained(self) -> int:
        """The cells of both that are trained."""
        return int(np.isfinite(self.accuracy).sum())


@PlotFunction
def accuracy_map(data: MapData, *, theme: str = "light", narrow: bool = False) -> Plot:
    """Two maps on the same axes and the same colours; an × where the network diverged; blank: not trained yet.

    From a MapData: of each cell the held-out accuracy at the end, a mean over seeds. Not to be mistaken for how well a
    setting can do: every cell has the same few steps, and a slow one may be on its way. The outline is at USABLE, a
    threshold of ours.
    """
    cells = len(data.init_scales) * len(data.learning_rates)
    frame = Frame(
        "Where training works",
        f"Accuracy on held-out examples after {data.steps:,} steps, "
        + ("one network" if data.seeds == 1 else f"mean of {data.seeds} networks")
        + f" for each cell. ×: diverged. Outlined: {USABLE:.0%} or more.",
        theme=theme,
        narrow=narrow,
        height=720 if narrow else 520,
        view=("map", len(data.init_scales), data.steps),
        left=72,
        right=86 if not narrow else 64,
        head=44 if not narrow else 30,
    )
    if narrow:
        frame.left += 12  # the name of the y axis stands beside its numbers
        frame.layout["margin"]["l"] = frame.left
    panels = frame.row(2, _axis(data.learning_rates), _axis(data.init_scales), gap_x=0.06, gap_y=56)
    frame.meta |= {
        "y": "σ of the initial weights",
        "names": {
            "x": [f"{value:g}" for value in data.learning_rates],
            "y": [f"{value:g}" for value in data.init_scales],
        },
    }
    for kind, panel in enumerate(panels):
        _cells(frame, panel, data, kind, first=not kind)
        _outlines(frame, panel, data.accuracy[kind])
        _crosses(frame, panel, data.diverged[kind])
        worked = f"{data.usable[kind]} of {cells} settings reach {USABLE:.0%}"
        frame.header(
            panel,
            f"<b>{NAMES[kind]}</b><br>{worked if np.isfinite(data.accuracy[kind]).all() else worked + ' so far'}",
            readable(COLOURS[kind], frame.theme),
        )
    frame.note(
        "σ of the initial weights",
        x=0,
        y=0.5,
        xref="paper",
        yref="paper",
        xanchor="right",
        textangle=-90,
        xshift=(-40 if narrow else -46) * frame.theme.size / 13,
    )
    frame.axis_note("learning rate")
    frame.layout["hovermode"] = "closest"
    if not data.trained:
        frame.place_for_words(panels[0], "A cell for each<br>trained network<br>appears here.")
    return frame.plot(_alt(data))


def _axis(values: Sequence[float]) -> dict[str, Any]:
    """An axis of equal cells; of more than six every other one is named."""
    every = 1 if len(values) <= 6 else 2
    places = list(range(0, len(values), every))
    return {
        "range": [-0.5, len(values) - 0.5],
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [f"{values[place]:g}" for place in places],
        "showgrid": False,
        "constrain": "domain",
    }


def _cells(frame: Frame, panel: Panel, data: MapData, kind: int, first: bool) -> None:
    """The coloured cells. customdata: of each, whether with batch normalization, its row and column."""
    texts = [
        [_hover_text(data, kind, row, column) for column in range(len(data.learning_rates))]
        for row in range(len(data.init_scales))
    ]
    frame.curves.append(
        {
            "type": "heatmap",
            "z": data.accuracy[kind],
            "xaxis": panel.x,
            "yaxis": panel.y,
            "zmin": 0,
            "zmax": 1,
            "xgap": 1,
            "ygap": 1,
            "colorscale": SCALE,
            "showscale": first,
            "hoverongaps": False,
            "text": texts,
            "hovertemplate": "%{text}<extra></extra>",
            "name": NAMES[kind],
            **tabled(panel=NAMES[kind]),
            "colorbar": {
                "title": {"text": "accuracy", "side": "right", "font": {"size": frame.size - 1}},
                "tickformat": ".0%",
                "thickness": 12,
                "outlinewidth": 0,
                "tickfont": {"size": frame.size - 2, "color": frame.theme.quiet},
            },
        }
    )


def _hover_text(data: MapData, kind: int, row: int, column: int) -> str:
    """The hover text of a cell."""
    said = (
        f"<b>{NAMES[kind]}</b><br>learning rate {data.learning_rates[column]:g}, σ {data.init_scales[row]:g}<br>"
        f"accuracy {data.accuracy[kind, row, column]:.1%}"
    )
    if data.seeds > 1:
        said += f" ({data.lowest[kind, row, column]:.1%} to {data.highest[kind, row, column]:.1%})"
    diverged = data.diverged[kind, row, column]
    if diverged > 0:
        said += "<br>diverged" if data.seeds == 1 else f"<br>{diverged:.0f} of {data.seeds} diverged"
    return said + "<br><i>click: open in the Playground</i>"


def _outlines(frame: Frame, panel: Panel, accuracy: Array) -> None:
    """A line around the settings that work, so that their border is seen without colour."""
    works = np.nan_to_num(accuracy) >= USABLE
    padded = np.pad(works, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for row, column in np.argwhere(padded[1:] != padded[:-1]):
        x += [column - 1.5, column - 0.5, None]
        y += [row - 0.5, row - 0.5, None]
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        x += [column - 0.5, column - 0.5, None]
        y += [row - 1.5, row - 0.5, None]
    frame.curves.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": y,
            "line": {"color": frame.theme.ink, "width": frame.theme.line},
            "hoverinfo": "skip",
            "showlegend": False,
            "xaxis": panel.x,
            "yaxis": panel.y,
            "name": "outline",
            **UNTABLED,
        }
    )


def _crosses(frame: Frame, panel: Panel, diverged: Array) -> None:
    places = np.argwhere(np.nan_to_num(diverged) > 0)
    frame.curves.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": places[:, 1].tolist(),
            "y": places[:, 0].tolist(),
            "marker": {"symbol": "x-thin", "size": 8, "line": {"width": 1.5, "color": "#FFFFFF"}},
            "hoverinfo": "skip",
            "showlegend": False,
            "xaxis": panel.x,
            "yaxis": panel.y,
            "name": "diverged",
            **UNTABLED,
        }
    )


def _alt(data: MapData) -> str:
    cells = len(data.init_scales) * len(data.learning_rates)
    plain, normalized = data.usable
    axes = (
        f"learning rates from {short(data.learning_rates[0])} to {short(data.learning_rates[-1])} and initial weights "
        f"with σ from {short(data.init_scales[0])} to {short(data.init_scales[-1])}"
    )
    if not data.trained:
        return f"Two maps over {axes}, without and with batch norm. There is nothing to show yet."
    return (
        f"Two maps of the accuracy after {data.steps:,} steps over {axes}. Of {cells} settings {plain} reach "
        f"{USABLE:.0%} with no normalization and {normalized} with batch norm; {data.trained} of {2 * cells} cells are "
        "trained."
    )
