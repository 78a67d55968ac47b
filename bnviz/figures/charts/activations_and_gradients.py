"""Activations and gradients: at one step, what a layer's nonlinearities receive, beside its weights' gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.figures.charts.distribution_at_one_step import input_range
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import log_ticks, reach, rounded_up
from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.layers import called, chosen_layers, depth, measured_on, unit_called
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.marks.histogram_outline import outline
from bnviz.figures.marks.zones import shade_zones
from bnviz.recording import Recording, Snapshot
from bnviz.recording.layer_inputs import counted_median, density, has
from bnviz.recording.snapshot import GRADIENT_EDGES, HISTOGRAM_EDGES

SMALLEST_BIN = 2
"""The bins before it hold exact zeros and what is smaller than its lower edge: they have no place on the axis."""
LOG_EDGES: Array = np.log10(GRADIENT_EDGES[SMALLEST_BIN:])
TAIL = 1e-3
"""The share of the counted gradients that may lie beyond each end of the axis."""
EMPTY = (-5.0, 0.0)


@PlotFunction
def activations_and_gradients(
    recordings: Sequence[Recording],
    layer: int | None = None,
    step: int | None = None,
    *,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Two panels of one layer, all arms on the same axes: the density of its inputs, and that of its gradients.

    Columns: low, high and count of `Recording.histograms` (the probe batch, all units pooled) and of
    `Recording.gradients` (the mini-batch of the update that led to the step; magnitudes, per factor of ten).
    layer: None for the last hidden layer. step: the latest record at or before it; None for the latest.
    Raises ValueError.

    Not to be mistaken for gradients of the activations: they are of the loss with respect to the weights. Exact zeros
    have no place on a logarithmic axis; the figure says how many there are.
    """
    arms = arm_styles(recordings)
    number = chosen_layers(recordings, layer or depth(recordings))[0]
    shown = [_shown(item, number, step) for item in recordings]
    at = max((item.step for item in shown if item is not None), default=None)
    counts = [_counts(item, number) for item in shown]
    zeros = [
        f"{arm.letter}: {own[0] / own.sum():.0%} of the gradients are exactly 0"
        for arm, own in zip(arms, counts, strict=True)
        if own.size and own[0] >= 0.005 * own.sum()
    ]
    frame = Frame(
        f"What {called(recordings, number)} receives, and its weights’ gradients"
        + ("" if at is None else f", at step {at:,}"),
        f"Left: input of the nonlinearity; all units pooled, {measured_on(recordings)}. Right: size of the loss’s "
        f"gradient for each weight, mini-batch of that step.{''.join(f' {item}.' for item in zeros)}",
        theme=theme,
        narrow=narrow,
        height=370 if not narrow else 620,
        view=("activations_and_gradients", number),
        wide=120,
        right=24,
        legend=[arm.label for arm in arms],
    )
    left, right = frame.row(
        2,
        {"showgrid": False, "hoverformat": ".3~g"},
        {"nticks": 5, "hoverformat": ".3~g", "title": {"text": "density"}},
        gap_x=0.07,
        gap_y=70,
        each_y=True,
    )
    inputs = [np.zeros(0) if item is None else density(item.histogram[number - 1]) for item in shown]
    gradients = [_per_decade(own) for own in counts]
    activation = recordings[0].activation(number)
    low, high = input_range(recordings, number, activation)
    lowest, highest = _range(recordings, number)
    own_axes = (
        (left, inputs, {"range": [low, high], "nticks": 5 if narrow else 7}),
        (
            right,
            gradients,
            {"type": "log", "range": [lowest, highest], "tickmode": "array", **log_ticks(lowest, highest)},
        ),
    )
    for panel, drawn, axis in own_axes:
        frame.axis(panel.x).pop("matches", None)
        frame.axis(panel.x).update(axis | {"showticklabels": True})
        frame.axis(panel.y).pop("matches", None)
        top = rounded_up(1.05 * reach([float(own.max(initial=0.0)) for own in drawn], 0.5, ratio=4.0), 0.4)
        frame.axis(panel.y)["range"] = [0, top]
    shade_zones(frame, left, activation, low, high, upright=True)
    for arm, own, gradient in zip(arms, inputs, gradients, strict=True):
        outline(frame, left, arm, HISTOGRAM_EDGES, own, **tabled(panel="Input of the nonlinearity"))
        edges = GRADIENT_EDGES[SMALLEST_BIN:]
        outline(frame, right, arm, edges, gradient, legend=False, **tabled(panel="Size of the gradient"))
    for panel, words in (
        (left, f"input of the {unit_called(recordings)}"),
        (right, "size of the gradient (log), per factor of ten"),
    ):
        frame.panel_note(panel, words, x=0.5, y=0, xanchor="center", yshift=-24 * frame.theme.size / 13)
    frame.meta["x"] = "value"
    if at is None:
        frame.place_for_words(left, "Both distributions are drawn here<br>as soon as the networks train.")
    elif words := _absent(recordings, shown, counts):
        frame.place_for_words(right, words)
    return frame.plot(_alt(arms, shown, counts, number, called(recordings, number)))


def _shown(recording: Recording, layer: int, step: int | None) -> Snapshot | None:
    if not recording.snapshots or not has(recording, layer):
        return None
    return recording.at(recording.last_step if step is None else step)


def _counts(item: Snapshot | None, layer: int) -> Array:
    """The counts between GRADIENT_EDGES; empty where there are none."""
    return np.zeros(0, np.int32) if item is None or item.gradients is None else item.gradients[layer - 1]


def _per_decade(counts: Array) -> Array:
    """The share of all counted gradients per factor of ten, in the bins from SMALLEST_BIN on."""
    if not counts.sum():
        return np.zeros(0)
    return np.asarray(counts[SMALLEST_BIN:] / (counts.sum() * np.diff(LOG_EDGES)))


def _range(recordings: Sequence[Recording], layer: int) -> tuple[float, float]:
    """The ends of the axis of gradients as powers of ten: what all records so far need, but for TAIL at each end."""
    ends = []
    for item in recordings:
        own = [
            snapshot.gradients[layer - 1, SMALLEST_BIN:]
            for snapshot in item.snapshots
            if snapshot.gradients is not None and has(item, layer)
        ]
        total = np.sum(own, axis=0).cumsum() if own else np.zeros(1)
        if total[-1] > 0:
            first, last = np.searchsorted(total, [TAIL * total[-1], (1 - TAIL) * total[-1]])
            ends.append((LOG_EDGES[first], LOG_EDGES[last + 1]))
    if not ends:
        return EMPTY
    lows, highs = zip(*ends, strict=True)
    return float(np.floor(2 * min(lows)) / 2), float(np.ceil(2 * max(highs)) / 2)


def _absent(
    recordings: Sequence[Recording], shown: Sequence[Snapshot | None], counts: Sequence[Array]
) -> str:
    """Why no gradients are drawn, in words; "" where some are."""
    if any(own.size for own in counts):
        return ""
    if all(item is None or item.step == 0 for item in shown):
        return "At step 0 no update was made:<br>there is no gradient yet."
    if all(item.watched is not None for item in recordings):
        return "Of a watched network<br>gradients are not counted."
    return "When this was recorded,<br>gradients were not counted yet."


def _alt(
    arms: Sequence[ArmStyle],
    shown: Sequence[Snapshot | None],
    counts: Sequence[Array],
    layer: int,
    name: str,
) -> str:
    parts = []
    for arm, item, own in zip(arms, shown, counts, strict=True):
        if item is None:
            parts.append(f"{arm.label} has no record")
            continue
        told = f"median input near {short(counted_median(item.histogram[layer - 1]))}"
        if own.size:
            half = GRADIENT_EDGES[int(np.searchsorted(own.cumsum(), 0.5 * own.sum()))]
            told += f", median size of a gradient near {short(float(half))}, {own[0] / max(1, own.sum()):.0%} of them 0"
        else:
            told += ", no gradients counted"
        parts.append(f"{arm.label} at step {item.step:,}: {told}")
    return (
        f"Two densities side by side, the inputs of {name} and the sizes of the gradients of its weights. "
        f"{'; '.join(parts)}."
    )
