"""Figures of one mini-batch in a batch-normalization layer: gradients, companions, feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.charts.layer.unit import rounded
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.layer.captured import Companions

Array = np.ndarray


@PlotFunction
def input_gradients(
    through: Array, constant: Array, *, unit: int, theme: str = "light", narrow: bool = False
) -> Plot:
    """∂ℓ/∂x of each example, (m,): through the statistics, and as if these were constants."""
    frame = Frame(
        f"∂ℓ/∂x of unit {unit}, example by example",
        f"Through the statistics they add up to {rounded(through.sum())}: moving all alike changes nothing. "
        f"With constant statistics they add up to {rounded(constant.sum())}.",
        theme=theme,
        narrow=narrow,
        height=330 if not narrow else 400,
        view=("input gradients", unit),
        wide=110,
        legend=["through the statistics", "as if they were constants"],
    )
    reach = 1.15 * max(float(np.abs(through).max()), float(np.abs(constant).max()), 1e-12)
    m = len(through)
    panel = frame.panels(
        1,
        1,
        {"range": [0.4, m + 0.6], "tickmode": "array", "tickvals": list(range(1, m + 1)), "showgrid": False},
        {
            "range": [-reach, reach],
            "nticks": 7,
            "hoverformat": ".3~g",
            "exponentformat": "power",
            "zeroline": True,
        },
    )[0][0]
    looks: list[tuple[str, Array, str, dict[str, Any]]] = [
        ("through the statistics", through, BLUE, {}),
        (
            "as if they were constants",
            constant,
            VERMILLION,
            {"pattern": {"shape": "/", "fillmode": "replace"}},
        ),
    ]
    for name, values, colour, pattern in looks:
        frame.curves.append(
            {
                "type": "bar",
                "x": np.arange(1, m + 1),
                "y": values,
                "name": name,
                "marker": {"color": colour, "line": {"color": colour, "width": 1}} | pattern,
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showlegend": True,
                "hovertemplate": "%{y:.4~g}<extra>" + name + "</extra>",
            }
        )
    frame.layout |= {"barmode": "group", "bargap": 0.3}
    frame.axis_note("example")
    return frame.plot(
        f"Bars of the loss’s gradient with respect to the {m} inputs of unit {unit}. Through the statistics they "
        f"lie between {rounded(through.min())} and {rounded(through.max())} and add up to {rounded(through.sum())}; "
        f"with constant statistics between {rounded(constant.min())} and {rounded(constant.max())}, "
        f"adding up to {rounded(constant.sum())}."
    )


@PlotFunction
def moves(
    found: Companions, change: str, example: int, unit: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
    """Every other example's y of one unit before and after the change, in training and in inference mode."""
    others = np.array([row for row in range(len(found.training["none"].y)) if row != example - 1])
    modes = {"training mode": found.training, "inference mode": found.inference}
    values = np.concatenate(
        [replies[name].y[others, unit - 1] for replies in modes.values() for name in ("none", change)]
    )
    frame = Frame(
        f"What the others receive: y of unit {unit} before and after",
        "Circle: before the change. Diamond: after it. The line between them is the move.",
        theme=theme,
        narrow=narrow,
        height=540 if narrow else 340,
        view=("moves", unit),
        head=24,
    )
    rows, columns = (2, 1) if narrow else (1, 2)
    margin = 0.1 * float(np.ptp(values)) or 1.0
    grid = frame.panels(
        rows,
        columns,
        {
            "range": [0.4, len(others) + 1.6],
            "tickmode": "array",
            "tickvals": (others + 1).tolist(),
            "showgrid": False,
        },
        {
            "range": [values.min() - margin, values.max() + margin],
            "nticks": 6,
            "title": {"text": "" if narrow else "y"},
        },
        gap_y=46,
    )
    said = []
    looks = ((VERMILLION, "solid"), (BLUE, "solid"))
    for panel, (mode, replies), (colour, _) in zip(
        (p for r in grid for p in r), modes.items(), looks, strict=True
    ):
        before, after = (replies[name].y[others, unit - 1] for name in ("none", change))
        gap = np.full(len(others), np.nan)
        frame.line(
            panel,
            np.repeat(others + 1.0, 3),
            np.stack([before, after, gap], 1).ravel(),
            line={"color": colour, "width": frame.theme.line * 1.3},
            hoverinfo="skip",
            name=f"move, {mode}",
        )
        for name, spots, symbol in (("before", before, "circle-open"), ("after", after, "diamond")):
            frame.line(
                panel,
                others + 1,
                spots,
                mode="markers",
                name=f"{name}, {mode}",
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 2, "color": colour}},
                hovertemplate=f"{name} %{{y:.4f}}<extra></extra>",
            )
        largest = float(np.abs(after - before).max())
        frame.header(panel, f"<b>{mode}</b>: {moved(largest)}", colour)
        said.append(f"in {mode} {moved(largest)}")
    frame.axis_note("example")
    return frame.plot(
        f"The other {len(others)} examples' y of unit {unit}, before and after: {', '.join(said)}."
    )


def moved(largest: float) -> str:
    """A largest move in words. In double precision what does not move is equal but for rounding."""
    return "nothing moves" if largest < 1e-9 else f"moves by up to {rounded(largest)}"


@PlotFunction
def maps(
    values: Array, names: Sequence[str], channel: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
    """A channel's feature maps of all examples and below them another channel's, on one scale of colours.

    values: (m, F, p, q), what enters the layer. channel: counted from 1.
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
                frame.curves.append(_squares(frame, panel, own[index], reach, first=not index and not group))
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
        "hovertemplate": "x = %{z:.3f}<extra></extra>",
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
