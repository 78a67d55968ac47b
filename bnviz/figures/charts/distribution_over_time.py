"""Distribution over time: what one layer receives as a heat map over the training steps, with its quantiles on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import rounded_up
from bnviz.figures.frame.frame import Frame, Panel, side_by_side
from bnviz.figures.frame.layers import axis_end, called, chosen_layers, depth, last_step, measured_on
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import mixed
from bnviz.figures.frame.plot import Array, Plot, PlotFunction, compact
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.figures.frame.thinning import MOST_POINTS
from bnviz.figures.marks.lines import diverged, scrubber
from bnviz.figures.marks.quantile_bands import bands_range
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import QuantilePath, density, has, quantile_path
from bnviz.recording.snapshot import HISTOGRAM_EDGES

DARKEST = 0.7
"""The share of ink in the colour of the largest density."""
BRIGHTENED = 0.4
"""The shade grows with this power of the density, so that thin tails are seen beside a narrow peak."""
SHADES = 13
TAILS = 1.4
"""How many times as far as the quantiles the y axis reaches."""
AXES = ("linear", "log")


@PlotFunction
def over_time(
    recordings: Sequence[Recording],
    layer: int | None = None,
    axis: str = "linear",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The density of one layer's inputs at every record, a panel for each arm, all on one scale of shades.

    Columns: `count` of `Recording.histograms`, the probe batch, all units pooled; q05, q15, q50, q85 and q95 of
    `Recording.layers`. layer: None for the last hidden layer. axis: "linear" or "log", of the steps. Raises ValueError.

    A column of the map is one record, and reaches half-way to the next. Not to be mistaken for finer than its bins:
    they are a quarter wide, and a distribution narrower than that is one row; the quantiles are exact.
    """
    if axis not in AXES:
        raise ValueError(f"axis = {axis!r} is not allowed; allowed is one of {', '.join(AXES)}")
    arms = arm_styles(recordings)
    number = chosen_layers(recordings, layer or depth(recordings))[0]
    paths = [quantile_path(item, number, None, "input") for item in recordings]
    low, high, leaving = _range(recordings, paths)
    rows, columns = side_by_side(len(arms), narrow)
    frame = Frame(
        f"How what {called(recordings, number)} receives is distributed over time",
        f"Shade: density of the inputs; all units pooled, {measured_on(recordings)}. "
        "Lines: median, 15 and 85 %, 5 and 95 %.",
        theme=theme,
        narrow=narrow,
        height=370 if not narrow else 150 + 200 * rows,
        view=("over_time", number, axis, last_step(recordings)),
        wide=120,
        right=86 if not narrow else 64,
        head=26 if columns < 3 else 42,
    )
    panels = frame.row(
        len(arms),
        frame.steps_axis(last_step(recordings), columns, axis_end(recordings), axis == "log"),
        {"range": [low, high], "nticks": 5, "hoverformat": ".3~g", "title": {"text": "input"}},
        gap_x=0.06,
    )
    bins = _bins(low, high)
    maps = [_map(item, number, bins) for item in recordings]
    darkest = max((float(values.max()) for _, values in maps if values.size), default=1.0)
    for a, (arm, item, path) in enumerate(zip(arms, recordings, paths, strict=True)):
        panel, crowded = panels[a], columns > 3
        frame.header(
            panel,
            arm.heading(columns > 2, 14 if crowded and frame.theme.large else 20),
            arm.colour,
            crowded=crowded,
        )
        _shades(frame, panel, arm, *maps[a], bins, darkest, bar=not a)
        _quantiles(frame, panel, arm, path)
        diverged(frame, panel, arm, item.diverged_at, low + 0.1 * (high - low), axis_end(recordings))
        scrubber(frame, panel, step)
        if a in leaving:
            frame.panel_note(panel, leaving[a], xshift=8, bgcolor=frame.theme.paper)
    frame.axis_note("training step")
    if not any(path.steps.size for path in paths):
        frame.place_for_words(
            panels[0], "The distribution grows here<br>while the networks train.", xref="paper"
        )
    return frame.plot(_alt(recordings, arms, paths, called(recordings, number)))


def _range(
    recordings: Sequence[Recording], paths: Sequence[QuantilePath]
) -> tuple[float, float, dict[int, str]]:
    """The y range, with room for the tails, and for each arm whose quantiles leave it a sentence that says so."""
    near, far, leaving = bands_range(recordings, {(a, 0): path for a, path in enumerate(paths)}, 1)
    low, high = -rounded_up(TAILS * -near), rounded_up(TAILS * far)
    outside = [path.steps.size and (path.values.min() < low or path.values.max() > high) for path in paths]
    return low, high, {a: words for (a, _), words in leaving.items() if outside[a]}


def _bins(low: float, high: float) -> slice:
    """The bins of HISTOGRAM_EDGES that reach into the panel."""
    first = max(0, int(np.searchsorted(HISTOGRAM_EDGES, low, side="right")) - 1)
    return slice(first, max(first + 1, int(np.searchsorted(HISTOGRAM_EDGES, high))))


def _map(recording: Recording, layer: int, bins: slice) -> tuple[Array, Array]:
    """The steps of at most MOST_POINTS records, (R,), and the densities in the bins, (bins, R)."""
    if not recording.snapshots or not has(recording, layer):
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    count = len(recording.snapshots)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    shown = [recording.snapshots[index] for index in kept]
    values = [density(item.histogram[layer - 1])[bins] for item in shown]
    return recording.steps[kept], np.stack(values, axis=1).astype(np.float32)


def _shades(
    frame: Frame,
    panel: Panel,
    arm: ArmStyle,
    steps: Array,
    values: Array,
    bins: slice,
    darkest: float,
    bar: bool,
) -> None:
    """The heat map. bar: with the scale of its shades."""
    places = np.linspace(0.0, 1.0, SHADES)
    scale: list[list[Any]] = [
        [float(place ** (1 / BRIGHTENED)), mixed(frame.theme.paper, frame.theme.ink, DARKEST * place)]
        for place in places
    ]
    frame.curves.append(
        {
            "type": "heatmap",
            "x": compact(np.maximum(steps, frame.first_step) if frame.first_step else steps),
            "y": compact(HISTOGRAM_EDGES[bins.start : bins.stop + 1]),
            "z": values,
            "xaxis": panel.x,
            "yaxis": panel.y,
            "zmin": 0,
            "zmax": darkest,
            "colorscale": scale,
            "showscale": bar,
            "hoverinfo": "skip",
            "name": f"{arm.letter}, density",
            "legendgroup": arm.letter,
            "showlegend": False,
            **tabled(panel=f"{arm.label}, bins from"),
            "colorbar": {
                "title": {"text": "density", "side": "right", "font": {"size": frame.size - 1}},
                "thickness": 12,
                "outlinewidth": 0,
                "nticks": 5,
                "tickfont": {"size": frame.size - 2, "color": frame.theme.quiet},
            },
        }
    )


def _quantiles(frame: Frame, panel: Panel, arm: ArmStyle, path: QuantilePath) -> None:
    """Five lines; the median's hover text and table name all of them. Each has a rim, to stand out from the shades."""
    count = path.steps.size
    kept = np.unique(np.linspace(0, max(0, count - 1), min(count, MOST_POINTS)).round().astype(int))
    steps, values = path.steps[kept], path.values[:, kept]
    colour = mixed(arm.colour, frame.theme.ink, frame.theme.lifted)
    for row, dash in ((0, "dot"), (4, "dot"), (1, "solid"), (3, "solid")):
        for line in (
            {"color": frame.theme.paper, "width": 0.6 * frame.theme.line + 2},
            {"color": colour, "width": 0.6 * frame.theme.line, "dash": dash},
        ):
            frame.line(
                panel,
                steps,
                values[row],
                name=f"{arm.letter}, quantile",
                line=line,
                hoverinfo="skip",
                **UNTABLED,
            )
    rim = {"color": frame.theme.paper, "width": frame.theme.line + 2.5}
    frame.line(panel, steps, values[2], name=f"{arm.letter}, rim", line=rim, hoverinfo="skip", **UNTABLED)
    told = [("95 %", 3), ("85 %", 2), ("15 %", 1), ("5 %", 0)]
    above, below = (
        [f"{share}: %{{customdata[{place}]:.3~g}}" for share, place in part] for part in (told[:2], told[2:])
    )
    frame.line(
        panel,
        steps,
        values[2],
        name=f"{arm.letter}: median",
        legendgroup=arm.letter,
        line={"color": colour, "width": frame.theme.line, "dash": arm.dash},
        customdata=compact(np.delete(values, 2, axis=0).T),
        hovertemplate="<br>".join([*above, "median: %{y:.3~g}", *below]) + f"<extra>{arm.letter}</extra>",
        **tabled(
            panel=f"{arm.label}: quantiles of what it receives",
            name="median",
            more=["5 %", "15 %", "85 %", "95 %"],
            before=2,
        ),
    )


def _alt(
    recordings: Sequence[Recording], arms: Sequence[ArmStyle], paths: Sequence[QuantilePath], name: str
) -> str:
    parts = []
    for arm, item, path in zip(arms, recordings, paths, strict=True):
        if not path.steps.size:
            parts.append(f"{arm.label} has nothing to show yet")
            continue
        first, last = (
            f"5 % at {short(path.values[0, at])}, median {short(path.median[at])}, 95 % at {short(path.values[-1, at])}"
            for at in (0, -1)
        )
        parts.append(
            f"{arm.label}: at step {path.steps[0]:,} {first}, at step {path.steps[-1]:,} {last}"
            + (f", diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        )
    return (
        f"The distribution of the inputs of {name} over the training steps, a heat map with its quantiles for each "
        f"arm. {'; '.join(parts)}."
    )
