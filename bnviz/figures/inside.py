"""Figures of one batch-normalization layer: one unit's distribution, gradients, companions, statistics, maps.

Pure functions from what was captured to figures, as all of `bnviz.figures`: no torch, no Streamlit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bnviz.figures.frame import Frame, Panel
from bnviz.figures.palette import BLUE, MORE, VERMILLION, faded
from bnviz.inside.arithmetic import forward, running_average, unbiased
from bnviz.inside.captured import Companions, History

Array = np.ndarray

BINS = 60
MOST_POINTS = 3000
"""Of all units' curves in one panel."""
GREEN = MORE[0][0]


def before_and_after(
    values: Array,
    gamma: float,
    beta: float,
    epsilon: float,
    *,
    unit: int,
    theme: str = "light",
    narrow: bool = False,
) -> go.Figure:
    """Histograms of one unit's x, x̂ and y = γ·x̂ + β, one below the other on one axis. values: (N,), x."""
    lines = forward(values, gamma, beta, epsilon)
    shown = {"x, before": lines.x, "x̂, normalized": lines.x_hat, "y = γ·x̂ + β": lines.y}
    low = min(float(item.min()) for item in shown.values())
    high = max(float(item.max()) for item in shown.values())
    margin = 0.04 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    frame = Frame(
        f"Unit {unit}: before, normalized, and scaled and shifted",
        f"{len(values):,} training examples as one mini-batch; all three on one axis. The line is the mean.",
        theme=theme,
        narrow=narrow,
        height=430,
        view=("before and after", unit),
        wide=110,
        head=22,
    )
    counts = [np.histogram(item, edges)[0] for item in shown.values()]
    grid = frame.panels(
        3,
        1,
        {"range": [edges[0], edges[-1]], "nticks": 9, "showgrid": False, "hoverformat": ".3~g"},
        {"range": [0, 1.08 * max(1, *(item.max() for item in counts))], "nticks": 3, "hoverformat": ",d"},
        gap_y=34,
    )
    looks = (frame.theme.quiet, GREEN, BLUE)
    for (row,), (name, item), count, colour in zip(grid, shown.items(), counts, looks, strict=True):
        frame.line(
            row,
            edges,
            np.append(count, count[-1]),
            name=name,
            fill="tozeroy",
            fillcolor=faded(colour, frame.theme.strong_fill),
            line={"color": colour, "width": frame.theme.line * 0.7, "shape": "hv"},
            hovertemplate="%{y} examples<extra></extra>",
        )
        frame.shapes.append(_upright(row, float(item.mean()), frame.theme.ink))
        words = f"<b>{name}</b>   mean {_number(item.mean())}, standard deviation {_number(item.std())}"
        frame.header(row, words, frame.theme.ink)
    frame.axis_note("value")
    alt = (
        f"Three histograms of unit {unit} on one axis, over {len(values)} examples: "
        + "; ".join(
            f"{name} has mean {_number(item.mean())} and standard deviation {_number(item.std())}"
            for name, item in shown.items()
        )
        + "."
    )
    return frame.figure(alt)


def learned(
    history: History, unit: int, step: int, *, theme: str = "light", narrow: bool = False
) -> go.Figure:
    """γ and β of every unit of the layer over training, `unit` (from 1) picked out."""
    recording, layer = history.recording, history.layer
    widths = recording.experiment.hidden
    first = sum(widths[: layer - 1])
    table = recording.unit_values[:, first : first + widths[layer - 1], 3:]  # (records, F, 2)
    every = max(1, len(recording.steps) * table.shape[1] // MOST_POINTS)
    chosen = np.unique(np.append(np.arange(0, len(recording.steps), every), len(recording.steps) - 1))
    steps, table = recording.steps[chosen], table[chosen]
    frame = Frame(
        f"How training moved γ and β of layer {layer}",
        f"Each thin line is one of {table.shape[1]} units; the thick one is unit {unit}. "
        "They start at γ = 1 and β = 0.",
        theme=theme,
        narrow=narrow,
        height=520 if narrow else 320,
        view=("learned", layer, unit),
        head=22,
    )
    rows, columns = (2, 1) if narrow else (1, 2)
    grid = frame.panels(
        rows,
        columns,
        frame.steps_axis(int(steps[-1]) or 1, columns),
        {"nticks": 6, "hoverformat": ".3f"},
        gap_x=0.08,
        gap_y=44,
        each_y=True,
    )
    said = []
    for panel, name, index, start in zip((p for r in grid for p in r), "γβ", (0, 1), (1.0, 0.0), strict=True):
        _own_range(frame, panel, table[..., index])
        _horizontal(frame, panel, start)
        gap = np.full((1, table.shape[1]), np.nan)
        many = np.concatenate([table[..., index], gap]).T.ravel()
        frame.line(
            panel,
            np.tile(np.append(steps.astype(float), np.nan), table.shape[1]),
            many,
            name=f"{name}, all units",
            line={"color": faded(frame.theme.quiet, 0.45), "width": 0.8},
            hoverinfo="skip",
            connectgaps=False,
        )
        own = table[:, unit - 1, index]
        frame.line(
            panel,
            steps,
            own,
            name=f"{name} of unit {unit}",
            line={"color": BLUE, "width": 1.6 * frame.theme.line},
            hovertemplate=f"{name} = %{{y:.3f}}<extra>unit {unit}</extra>",
        )
        frame.scrubber(panel, step)
        frame.header(panel, f"{name} of unit {unit}: {_number(own[0])} → {_number(own[-1])}", BLUE)
        low, high = float(table[-1, :, index].min()), float(table[-1, :, index].max())
        said.append(
            f"{name} ends between {_number(low)} and {_number(high)}, in unit {unit} at {_number(own[-1])}"
        )
    frame.axis_note("step")
    return frame.figure(
        f"Lines of γ and β of the units of layer {layer} over {steps[-1]:,} steps: {'; '.join(said)}."
    )


def input_gradients(
    through: Array, constant: Array, *, unit: int, theme: str = "light", narrow: bool = False
) -> go.Figure:
    """∂ℓ/∂x of each example, (m,): through the statistics, and as if these were constants."""
    frame = Frame(
        f"∂ℓ/∂x of unit {unit}, example by example",
        f"Through the statistics the gradients add up to {_number(through.sum())}: a step cannot move the "
        f"mean. With constant statistics they add up to {_number(constant.sum())}.",
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
    return frame.figure(
        f"Bars of the loss's gradient with respect to the {m} inputs of unit {unit}. Through the statistics they "
        f"lie between {_number(through.min())} and {_number(through.max())} and add up to {_number(through.sum())}; "
        f"with constant statistics between {_number(constant.min())} and {_number(constant.max())}, "
        f"adding up to {_number(constant.sum())}."
    )


def moves(
    found: Companions, change: str, example: int, unit: int, *, theme: str = "light", narrow: bool = False
) -> go.Figure:
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
    return frame.figure(
        f"The other {len(others)} examples' y of unit {unit}, before and after: {', '.join(said)}."
    )


def moved(largest: float) -> str:
    """A largest move in words. In double precision what does not move is equal but for rounding."""
    return "nothing moves" if largest < 1e-9 else f"moves by up to {_number(largest)}"


def statistics(
    history: History, unit: int, newest: float, step: int, *, theme: str = "light", narrow: bool = False
) -> go.Figure:
    """One unit's mini-batch statistics, running averages and population statistics over training.

    newest: the weight of the newest mini-batch in the running averages, which are computed here from the
    recorded statistics of every mini-batch.
    """
    taken = len(history.batch_mean)
    frame = Frame(
        f"Layer {history.layer}, unit {unit}: three ways to know the mean and the variance",
        f"Dots: mini-batches of {history.values:,} values. Line: running average, weight of the newest {newest:g}. "
        f"Diamonds: the population, from {history.population_batches} mini-batches with the network held still.",
        theme=theme,
        narrow=narrow,
        height=640 if narrow else 400,
        view=("statistics", history.layer, unit),
        head=22,
    )
    rows, columns = (2, 1) if narrow else (1, 2)
    grid = frame.panels(
        rows,
        columns,
        frame.steps_axis(max(1, taken), columns),
        {"nticks": 6, "hoverformat": ".3~f"},
        gap_x=0.08,
        gap_y=44,
        each_y=True,
    )
    said = []
    steps = np.arange(taken + 1)
    for panel, (name, batches, populations, start) in zip(
        (p for r in grid for p in r), _kinds(history, unit), strict=True
    ):
        average = running_average(batches, newest, start)
        _own_range(frame, panel, np.concatenate([np.quantile(batches, [0.002, 0.998]), average, populations]))
        frame.line(
            panel,
            steps[:taken],
            batches,
            mode="markers",
            name=f"{name} of mini-batches",
            marker={"size": 3.5, "color": faded(frame.theme.quiet, 0.6)},
            hovertemplate="mini-batch %{y:.4~g}<extra></extra>",
        )
        frame.line(
            panel,
            steps,
            average,
            name=f"running average of the {name}",
            line={"color": BLUE, "width": 1.3 * frame.theme.line},
            hovertemplate="running %{y:.4~g}<extra></extra>",
        )
        frame.line(
            panel,
            history.population_steps,
            populations,
            mode="markers+lines",
            name=f"{name} of the population",
            marker={"symbol": "diamond", "size": 7, "color": VERMILLION},
            line={"color": VERMILLION, "width": 1, "dash": "dot"},
            hovertemplate="population %{y:.4~g}<extra></extra>",
        )
        frame.scrubber(panel, step)
        text = f"<b>{name}</b>   running {_number(average[-1])}, population {_number(populations[-1])}"
        frame.header(panel, text, frame.theme.ink)
        said.append(
            f"the {name} ends at {_number(average[-1])} running and {_number(populations[-1])} in the population"
        )
    frame.axis_note("step")
    return frame.figure(
        f"Mean and variance of unit {unit} over {taken:,} steps, of mini-batches, as running average and of the "
        f"population: {'; '.join(said)}."
    )


def _kinds(history: History, unit: int) -> list[tuple[str, Array, Array, float]]:
    """Name, mini-batches, populations and start of the running average, for the mean and the variance."""
    at = unit - 1
    variances = unbiased(history.batch_variance[:, at], history.values)
    return [
        ("mean", history.batch_mean[:, at], history.population_mean[:, at], 0.0),
        ("variance", variances, history.population_variance[:, at], 1.0),
    ]


def maps(
    values: Array, names: Sequence[str], channel: int, *, theme: str = "light", narrow: bool = False
) -> go.Figure:
    """One channel's feature map of every example, (m, p, q), all on one scale of colours."""
    m, height, width = values.shape
    columns = min(m, 2 if narrow else 8)
    rows = -(-m // columns)
    frame = Frame(
        f"Channel {channel}: {m} examples × {height} × {width} positions share one mean",
        "Every square is one value of x. All of them, in all maps, enter the same mean and the same variance.",
        theme=theme,
        narrow=narrow,
        height=(150 if narrow else 120) + rows * (185 if narrow else 165),
        view=("maps", channel),
        head=22,
        right=86,
    )
    axis = {"showgrid": False, "showticklabels": False, "fixedrange": True}
    grid = frame.panels(rows, columns, axis, axis, gap_x=0.02, gap_y=24)
    reach = float(np.abs(values).max()) or 1.0
    for index, panel in enumerate(panel for row in grid for panel in row):
        _without_ticks(frame, panel)
        if index >= m:
            continue
        frame.curves.append(
            {
                "type": "heatmap",
                "z": values[index, ::-1].astype(np.float32),
                "zmin": -reach,
                "zmax": reach,
                "colorscale": [[0.0, VERMILLION], [0.5, frame.theme.paper], [1.0, BLUE]],
                "showscale": index == 0,
                "colorbar": {
                    "title": {"text": "x"},
                    "thickness": 12,
                    "len": 0.9,
                    "tickfont": {"size": frame.size - 2},
                },
                "xaxis": panel.x,
                "yaxis": panel.y,
                "xgap": 1,
                "ygap": 1,
                "hovertemplate": "x = %{z:.3f}<extra></extra>",
            }
        )
        frame.panel_note(panel, f"{index + 1}: {names[index]}", yanchor="bottom", yshift=2)
    frame.layout["hovermode"] = "closest"
    return frame.figure(
        f"Feature maps of channel {channel} for {m} examples of {height} by {width} positions, as squares on one scale "
        f"of colours; their {values.size:,} values have mean {_number(values.mean())} "
        f"and variance {_number(values.var())}."
    )


def _number(value: float) -> str:
    """A number in a caption: three digits, and 0 for what is only rounding."""
    value = 0.0 if abs(value) < 1e-12 else float(value)
    return f"{value:.3g}".replace("-", "−")


def _upright(panel: Panel, at: float, colour: str) -> dict[str, Any]:
    """A line from the bottom to the top of a panel."""
    return {
        "type": "line",
        "xref": panel.x,
        "yref": f"{panel.y} domain",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": 1.5, "dash": "dot"},
    }


def _horizontal(frame: Frame, panel: Panel, at: float) -> None:
    """A thin reference line across a panel."""
    frame.shapes.append(
        {
            "type": "line",
            "xref": f"{panel.x} domain",
            "yref": panel.y,
            "x0": 0,
            "x1": 1,
            "y0": at,
            "y1": at,
            "line": {"color": frame.theme.quiet, "width": 1, "dash": "dot"},
        }
    )


def _own_range(frame: Frame, panel: Panel, values: Array) -> None:
    """Let a panel have its own y axis, wide enough for `values`: γ and β, mean and variance do not compare."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.06 * (high - low) or 0.5
    axis = frame.layout["yaxis" + panel.y[1:]]
    axis.pop("matches", None)
    axis["range"] = [low - margin, high + margin]


def _without_ticks(frame: Frame, panel: Panel) -> None:
    """A picture needs no axes."""
    for letter, name in (("x", panel.x), ("y", panel.y)):
        frame.layout[f"{letter}axis{name[1:]}"]["showticklabels"] = False
    frame.layout[f"yaxis{panel.y[1:]}"] |= {"scaleanchor": panel.x, "constrain": "domain"}
