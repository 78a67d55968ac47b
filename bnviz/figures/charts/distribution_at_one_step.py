"""Distribution at one step: what one layer receives, with the nonlinearity's curve behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import reach, rounded_up, usual
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import (
    called,
    chosen_layers,
    depth,
    elapsed,
    measured_on,
    unit_called,
    units_called,
    zones,
)
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import UNTABLED
from bnviz.figures.marks.histogram_outline import outline
from bnviz.figures.marks.zones import shade_zones
from bnviz.recording import Recording, Snapshot
from bnviz.recording.layer_inputs import counted_median, density, has, quantile_path, share_outside
from bnviz.recording.nonlinearities import NONLINEARITIES
from bnviz.recording.snapshot import HISTOGRAM_EDGES

OTHER_RANGE = 4.0
CURVE_POINTS = 121
SHARE_OF_HEIGHT = 0.92


@PlotFunction
def histogram(
    recordings: Sequence[Recording],
    layer: int | None = None,
    step: int | None = None,
    *,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """The density of one layer's inputs, all units pooled, of all arms on the same axes.

    Columns: low, high and count of `Recording.histograms`, the probe batch. Behind them stand the nonlinearity's curve
    on an axis of its own, and its saturated zones.

    layer: None for the last hidden layer. step: the latest record at or before it; None for the latest.
    Raises ValueError.

    Not to be mistaken for counts: a density may exceed 1, its area is 1. A sum of two peaks may be two kinds of units,
    and no unit need have it.
    """
    arms = arm_styles(recordings)
    number = chosen_layers(recordings, layer or depth(recordings))[0]
    shown = [_shown(item, number, step) for item in recordings]
    activation = recordings[0].activation(number)
    units = units_called(recordings)
    singular = unit_called(recordings)
    at = max((item.step for item in shown if item is not None), default=None)
    low, high = input_range(recordings, number, activation)
    densities = [density(item.histogram[number - 1]) if item is not None else np.zeros(0) for item in shown]
    top = rounded_up(1.05 * reach([float(own.max(initial=0.0)) for own in densities], 0.5, ratio=4.0), 0.4)
    late = [
        f"{arm.letter} as last recorded, at step {item.step:,}"
        for arm, item in zip(arms, shown, strict=True)
        if item is not None and item.step != at
    ]
    missing = "; ".join([*late, *_missing(arms, shown, number, densities, (low, high, top))])
    frame = Frame(
        f"What {called(recordings, number)}’s {units} receive" + ("" if at is None else f" at step {at:,}"),
        "Density of the input of the nonlinearity, after the normalizer where there is one; all units pooled, "
        f"{measured_on(recordings)}."
        + (f" Thin grey line: the {singular}’s output." if activation in NONLINEARITIES else "")
        + (f" {missing}." if missing else ""),
        theme=theme,
        narrow=narrow,
        height=340 if not narrow else 400,
        view=("histogram", number),
        wide=120,
        right=44,
        legend=[arm.label for arm in arms],
    )
    panel = frame.panels(
        1,
        1,
        {"range": [low, high], "nticks": 5 if narrow else 11, "showgrid": False, "hoverformat": ".3~g"},
        {
            "range": [0, top],
            "nticks": 5,
            "hoverformat": ".3~g",
            "title": {"text": "density"},
        },
    )[0][0]
    _behind(frame, panel, activation, low, high, narrow)
    for arm, own in zip(arms, densities, strict=True):
        outline(frame, panel, arm, HISTOGRAM_EDGES, own)
    frame.axis_note(f"input of the {singular}")
    if at is None:
        frame.place_for_words(panel, "The distribution is drawn here<br>as soon as the networks train.")
    return frame.plot(_alt(arms, shown, number, called(recordings, number), singular, activation))


def _shown(recording: Recording, layer: int, step: int | None) -> Snapshot | None:
    if not recording.snapshots or not has(recording, layer):
        return None
    return recording.at(recording.last_step if step is None else step)


def input_range(recordings: Sequence[Recording], layer: int, activation: str) -> tuple[float, float]:
    """The x range for the whole run: what all arms usually need, and at least where the nonlinearity bends."""
    whole = elapsed(recordings)
    needed_low, needed_high = [], []
    for item in recordings:
        drawn = quantile_path(item, layer, None, "input")
        needed_low.append(
            1.25 * max(0.0, usual(drawn.steps, -drawn.values[0], whole)) if drawn.steps.size else 0.0
        )
        needed_high.append(
            1.25 * max(0.0, usual(drawn.steps, drawn.values[-1], whole)) if drawn.steps.size else 0.0
        )
    kind = NONLINEARITIES.get(activation)
    least = OTHER_RANGE if kind is None else kind.reach
    return -rounded_up(reach(needed_low, 15.0), least), rounded_up(reach(needed_high, 15.0), least)


def _missing(
    arms: Sequence[ArmStyle],
    shown: Sequence[Snapshot | None],
    layer: int,
    densities: Sequence[Array],
    frame: tuple[float, float, float],
) -> list[str]:
    """What lies outside the frame, in words: values beyond its sides, a peak beyond its top. frame: low, high, top."""
    low, high, top = frame
    said = []
    for arm, item, own in zip(arms, shown, densities, strict=True):
        outside = share_outside(item.histogram[layer - 1], low, high) if item is not None else 0.0
        if outside >= 0.0005:
            said.append(f"{arm.letter}: {outside:.1%} of the values lie outside the frame")
        if own.max(initial=0.0) > top:
            said.append(f"{arm.letter} rises to {short(float(own.max()))}, beyond the frame")
    return said


def _behind(frame: Frame, panel: Panel, activation: str, low: float, high: float, narrow: bool) -> None:
    """The nonlinearity's curve on an axis at the right, if bnviz knows it, and where it hardly answers."""
    intervals, words = zones(activation)
    shade_zones(frame, panel, activation, low, high, upright=True)
    if intervals:
        middle = (low + min(intervals[0][1], high)) / 2
        frame.note(
            words.split(":")[0],
            xref=panel.x,
            x=low if narrow else middle,
            xanchor="left" if narrow else "center",
            yref=f"{panel.y} domain",
            y=1,
            yanchor="top",
            font={"size": frame.size - 2, "color": frame.theme.quiet},
        )
    kind = NONLINEARITIES.get(activation)
    if kind is None:
        return
    x = np.linspace(low, high, CURVE_POINTS)
    y = kind.value(x)
    bottom = kind.lowest if math.isfinite(kind.lowest) else float(y.min())
    ceiling = kind.highest if math.isfinite(kind.highest) else float(y.max())
    frame.layout["yaxis2"] = {
        "overlaying": "y",
        "side": "right",
        "range": [bottom, bottom + (ceiling - bottom) / SHARE_OF_HEIGHT],
        "showgrid": False,
        "tickvals": [bottom, ceiling] if bottom == 0 else [bottom, 0, ceiling],
        "fixedrange": True,
        "tickfont": {"size": frame.size - 2, "color": frame.theme.quiet},
        "title": {"text": "output" if frame.titled else "", "standoff": 2},
    }
    frame.line(
        Panel(panel.x, "y2", 0, 0),
        x,
        y,
        name="output",
        line={"color": frame.theme.quiet, "width": 1.2},
        hoverinfo="skip",
        **UNTABLED,
    )


def _alt(
    arms: Sequence[ArmStyle],
    shown: Sequence[Snapshot | None],
    layer: int,
    name: str,
    singular: str,
    activation: str,
) -> str:
    """Two sentences for those who do not see the figure."""
    behind = f", with the {singular}’s curve behind it" if activation in NONLINEARITIES else ""
    said = f"The distribution of the inputs of {name} as a density{behind}. "
    parts = []
    for arm, item in zip(arms, shown, strict=True):
        if item is None:
            parts.append(f"{arm.label} has no record")
            continue
        counts = item.histogram[layer - 1]
        kind = NONLINEARITIES.get(activation)
        tail = ""
        if kind is not None and kind.saturates:
            tail = f", {share_outside(counts, *kind.flat):.0%} in the saturated zones"
        parts.append(f"{arm.label} at step {item.step:,}: median near {short(counted_median(counts))}{tail}")
    return said + "; ".join(parts) + "."
