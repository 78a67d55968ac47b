"""Figures of one unit of a batch-normalization layer: what γ and β do, and its statistics over training.

Pure functions from what was captured to figures, as all of `bnviz.figures`: no torch, no Streamlit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import BLUE, MORE, VERMILLION, faded
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.lines import scrubber
from bnviz.layer.arithmetic import forward, running_average, unbiased
from bnviz.layer.captured import History

Array = np.ndarray

BINS = 60
MOST_POINTS = 3000
"""Of all units' curves in one panel."""
GREEN = MORE[0][0]


@PlotFunction
def before_and_after(
    values: Array,
    gamma: float,
    beta: float,
    epsilon: float,
    *,
    unit: int,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
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
        spread = "st. dev." if narrow else "standard deviation"
        words = f"<b>{name}</b>   mean {rounded(item.mean())}, {spread} {rounded(item.std())}"
        frame.header(row, words, frame.theme.ink)
    frame.axis_note("value")
    alt = (
        f"Three histograms of unit {unit} on one axis, over {len(values)} examples: "
        + "; ".join(
            f"{name} has mean {rounded(item.mean())} and standard deviation {rounded(item.std())}"
            for name, item in shown.items()
        )
        + "."
    )
    return frame.plot(alt)


@PlotFunction
def learned(history: History, unit: int, step: int, *, theme: str = "light", narrow: bool = False) -> Plot:
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
        scrubber(frame, panel, step)
        frame.header(panel, f"{name} of unit {unit}: {rounded(own[0])} → {rounded(own[-1])}", BLUE)
        low, high = float(table[-1, :, index].min()), float(table[-1, :, index].max())
        said.append(
            f"{name} ends between {rounded(low)} and {rounded(high)}, in unit {unit} at {rounded(own[-1])}"
        )
    frame.axis_note("step")
    return frame.plot(
        f"Lines of γ and β of the units of layer {layer} over {steps[-1]:,} steps: {'; '.join(said)}."
    )


@PlotFunction
def statistics(
    history: History, unit: int, newest: float, step: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
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
        settled = average[taken // 4 :]  # where it starts says nothing of the unit, and may be far away
        low, high = _own_range(
            frame, panel, np.concatenate([np.quantile(batches, [0.002, 0.998]), settled, populations])
        )
        if not low <= start <= high:
            frame.panel_note(
                panel, f"the running average starts at {start:g}, outside", xanchor="right", x=1.0
            )
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
        scrubber(frame, panel, step)
        text = f"<b>{name}</b>   running {rounded(average[-1])}, population {rounded(populations[-1])}"
        frame.header(panel, text, frame.theme.ink)
        said.append(
            f"the {name} ends at {rounded(average[-1])} running and {rounded(populations[-1])} in the population"
        )
    frame.axis_note("step")
    return frame.plot(
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


def rounded(value: float) -> str:
    """A number in a caption: three digits, and 0 for what is only rounding."""
    return short(0.0 if abs(value) < 1e-12 else float(value))


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


def _own_range(frame: Frame, panel: Panel, values: Array) -> tuple[float, float]:
    """Let a panel have its own y axis, wide enough for `values`: γ and β, mean and variance do not compare."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.06 * (high - low) or 0.5
    axis = frame.layout["yaxis" + panel.y[1:]]
    axis.pop("matches", None)
    axis["range"] = [low - margin, high + margin]
    return low - margin, high + margin
