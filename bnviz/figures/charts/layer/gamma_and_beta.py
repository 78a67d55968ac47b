"""How training moved γ and β of a layer."""

from __future__ import annotations

import numpy as np

from bnviz.figures.frame.frame import Frame, side_by_side
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, faded
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.marks.lines import level, scrubber
from bnviz.layer.captured import History
from bnviz.recording.layer_inputs import units_of
from bnviz.recording.snapshot import UNIT_COLUMNS

MOST_POINTS = 3000
"""Of all units' curves in one panel."""


@PlotFunction
def learned(history: History, unit: int, step: int, *, theme: str = "light", narrow: bool = False) -> Plot:
    """γ and β of every unit of the layer over training, `unit` (from 1) in blue.

    Columns: gamma and beta of `Recording.units`, of long trainings not at every record. Not to be mistaken for mean and
    standard deviation of the whole layer's output: these hold for each unit over the mini-batch. The y axes differ.
    """
    recording, layer = history.recording, history.layer
    pair = [UNIT_COLUMNS.index(name) for name in ("gamma", "beta")]
    table = recording.unit_values[:, units_of(recording, layer)][:, :, pair]  # (R, F, 2)
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
    _, columns = side_by_side(2, narrow)
    panels = frame.row(
        2,
        frame.steps_axis(int(steps[-1]) or 1, columns),
        {"nticks": 6, "hoverformat": ".3~g"},
        gap_x=0.08,
        gap_y=44,
        each_y=True,
    )
    said = []
    for panel, name, index, start in zip(panels, "γβ", (0, 1), (1.0, 0.0), strict=True):
        frame.own_y(panel, table[..., index])
        level(frame, panel, start, behind=False)
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
            **tabled(name=f"{name}, unit", pieces=True),
        )
        own = table[:, unit - 1, index]
        frame.line(
            panel,
            steps,
            own,
            name=f"{name} of unit {unit}",
            line={"color": BLUE, "width": 1.6 * frame.theme.line},
            hovertemplate=f"{name} = %{{y:.3~g}}<extra>unit {unit}</extra>",
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
