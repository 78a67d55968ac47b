"""Feature maps: all values of a channel share one mean and one variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled


@PlotFunction
def maps(
    values: Array, names: Sequence[str], channel: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
    """A channel's feature maps of all examples and below them another channel's, on one scale of colours.

    values: (m, F, p, q), `LayerBatch.x`, what enters the layer. channel: counted from 1.

    Not to be mistaken for pictures of the input: a square is what the channel's filter found at a position. All
    squares of a channel, of all examples, share one mean and one variance.
    """
    m, features, height, width = values.shape
    other = channel % features + 1
    columns = min(m, 4 if narrow else 8)
    rows = -(-m // columns)
    shared = f"{m} examples × {height} × {width} positions"
    frame = Frame(
        f"{shared} share one mean: {m * height * width:,} values",
        "Every square is one value of x. All values of one channel enter the same mean and the same variance; "
        "another channel has its own.",
        theme=theme,
        narrow=narrow,
        height=(150 if narrow else 105) + 2 * rows * (92 if narrow else 150),
        view=("maps", channel),
        head=40,
        left=24,
        right=78,
    )
    frame.bottom = frame.layout["margin"]["b"] = 8
    axis = {
        "showgrid": False,
        "fixedrange": True,
        "showline": True,
        "mirror": True,
        "constrain": "domain",
    }
    grid = frame.panels(2 * rows, columns, axis, axis, gap_x=0.02, gap_y=38)
    reach = float(np.abs(values[:, [channel - 1, other - 1]]).max()) or 1.0
    for group, (number, colour) in enumerate(((channel, BLUE), (other, VERMILLION))):
        own = values[:, number - 1]
        panels = [panel for row in grid[group * rows : (group + 1) * rows] for panel in row]
        for index, panel in enumerate(panels):
            _as_picture(frame, panel, colour, 2 if number == channel else 1, shown=index < m)
            if index < m:
                caption = f"Channel {number}, example {index + 1}: {names[index]}"
                squares = _squares(frame, panel, own[index], reach, first=not index and not group)
                frame.curves.append(squares | tabled(panel=caption))
                frame.panel_note(panel, f"{index + 1}: {names[index]}", yanchor="bottom", yshift=1)
        words = f"<b>channel {number}</b>: mean {rounded(own.mean())}, variance {rounded(own.var())}"
        frame.header(panels[0], words, colour, yshift=17)
    frame.layout["hovermode"] = "closest"
    first, second = values[:, channel - 1], values[:, other - 1]
    return frame.plot(
        f"Feature maps of {m} examples, {height} by {width} squares each on one scale of colours. The {first.size:,} "
        f"values of channel {channel} have mean {rounded(first.mean())} and variance {rounded(first.var())}; those of "
        f"channel {other} have mean {rounded(second.mean())} and variance {rounded(second.var())}."
    )


def _squares(frame: Frame, panel: Panel, values: Array, reach: float, first: bool) -> dict[str, Any]:
    """One map, (p, q), as coloured squares, the first row at the top; the first map brings the scale."""
    return {
        "type": "heatmap",
        "z": values[::-1].astype(np.float32),
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0.0, VERMILLION], [0.5, frame.theme.paper], [1.0, BLUE]],
        "showscale": first,
        "colorbar": {
            "title": {"text": "x"},
            "thickness": 12,
            "lenmode": "pixels",
            "len": 180,
            "y": 1,
            "yanchor": "top",
            "tickfont": {"size": frame.size - 2},
        },
        "xaxis": panel.x,
        "yaxis": panel.y,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "x = %{z:.3~g}<extra></extra>",
    }


def _as_picture(frame: Frame, panel: Panel, colour: str, width: int, shown: bool) -> None:
    """A picture has square points and a border, and no ticks."""
    for letter, name in (("x", panel.x), ("y", panel.y)):
        frame.layout[f"{letter}axis{name[1:]}"] |= {
            "showticklabels": False,
            "linecolor": colour,
            "linewidth": width,
            "visible": shown,
        }
    frame.layout[f"yaxis{panel.y[1:]}"]["scaleanchor"] = panel.x
