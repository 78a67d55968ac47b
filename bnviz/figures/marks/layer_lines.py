"""A line for each layer over the training steps, the arms side by side: gradients, drift, saturation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import decades, log_ticks, reach, rounded_up, usual
from bnviz.figures.frame.frame import Frame, Panel, side_by_side
from bnviz.figures.frame.layers import axis_end, called, chosen_layers, depth, elapsed, last_step
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import faded
from bnviz.figures.frame.plot import Array, Plot
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.frame.theme import shades
from bnviz.figures.frame.thinning import thin
from bnviz.figures.marks.layer_labels import label_layers, room
from bnviz.figures.marks.lines import diverged, level, name_reference, scrubber
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import has
from bnviz.recording.statistics import running_median

MOST_LINES = 20
"""Of more layers in an arm so many are drawn, evenly spaced."""
SMOOTHED = 15
"""Records that the running median of a noisy quantity is over."""


@dataclass(frozen=True)
class Quantity:
    """What a chart of this kind shows.

    axis: the title of the y axis. column: of an arm and a layer, the column of `Recording.layers` that is drawn.
    percent: the values are shares, from 0 to 1. least: where the y axis ends at least. noisy: each line is also drawn
    as its running median. chance: of an arm and a layer, what mini-batches differ by at one step; None where that is
    not known, or there is no such thing. reference: a value drawn as a thin line, and what it is called.
    """

    name: str
    title: str
    subtitle: str
    axis: str
    column: Callable[[Recording, int], str]
    logarithmic: bool = False
    percent: bool = False
    least: float = 0.1
    noisy: bool = False
    chance: Callable[[Recording, int], float | None] = lambda *_: None
    reference: tuple[float, str] | None = None


def layer_lines(
    recordings: Sequence[Recording], quantity: Quantity, theme: str, step: int | None, narrow: bool
) -> Plot:
    """The whole chart."""
    arms = arm_styles(recordings)
    values = [_values(item, quantity) for item in recordings]
    rows, columns = side_by_side(len(arms), narrow)
    frame = Frame(
        quantity.title,
        quantity.subtitle + _thinned(recordings),
        theme=theme,
        narrow=narrow,
        height=330 if not narrow else 150 + 165 * rows,
        view=(quantity.name, last_step(recordings)),
        wide=120,
        right=room(recordings),
        head=26 if columns < 3 else 42,
    )
    low, high, leaving = _range(recordings, values, quantity)
    y_axis: dict[str, Any] = {
        "range": [low, high],
        "nticks": 5,
        "hoverformat": ".1%" if quantity.percent else ".3~g",
        "title": {"text": quantity.axis},
    }
    if quantity.logarithmic:
        y_axis |= {"type": "log", "tickmode": "array", **log_ticks(low, high)}
    elif quantity.percent:
        y_axis |= {"tickformat": ".0%"}
    else:
        y_axis |= {"tickformat": "~s" if high >= 10_000 else ""}
    panels = frame.row(
        len(arms),
        frame.steps_axis(last_step(recordings), columns, axis_end(recordings)),
        y_axis,
        gap_x=0.1 if room(recordings) < 100 else 0.17,
    )
    for a, (arm, item, own) in enumerate(zip(arms, recordings, values, strict=True)):
        panel = panels[a]
        crowded = columns > 3
        most = 14 if crowded and frame.theme.large else 20
        frame.header(panel, arm.heading(columns > 2, most), arm.colour, crowded=crowded)
        colours = shades(arm.colour, len(own), frame.theme)
        for number in chosen_layers([item], None, MOST_LINES):
            _draw(frame, panel, arm, item, own[number - 1], number, colours[number - 1], quantity)
            _draw_chance(frame, panel, arm, item, number, colours[number - 1], quantity)
        drawn = [running_median(line, SMOOTHED) for line in own] if quantity.noisy else own
        ends = [_last(item.steps, line) for line in drawn]
        # Of an arm that diverged at once there is no line to put a name to.
        if item.diverged_at is None or item.last_step > 0.02 * last_step(recordings):
            label_layers(frame, panel, item, ends, colours, quantity.logarithmic, (low, high), rows)
        place = low + 0.1 * (high - low)
        height = 10**place if quantity.logarithmic else place
        diverged(frame, panel, arm, item.diverged_at, height, axis_end(recordings))
        scrubber(frame, panel, step)
        if quantity.reference is not None:
            scale = Scale(quantity.axis, logarithmic=quantity.logarithmic, reference=quantity.reference)
            level(frame, panel, quantity.reference[0])
            name_reference(frame, panel, scale)
        if a in leaving:
            frame.panel_note(panel, leaving[a], xshift=8)
    frame.axis_note("training step")
    if not any(np.isfinite(line).any() for own in values for line in own):
        words = "A line for each layer grows here<br>while the networks train."
        if any(item.watched is not None and item.snapshots for item in recordings):
            words = "Of these networks nothing<br>of this kind was recorded."
        frame.place_for_words(panels[0], words, xref="paper")
    return frame.plot(_alt(recordings, arms, values, quantity))


def _thinned(recordings: Sequence[Recording]) -> str:
    """A sentence about layers that are not drawn, if there are any."""
    deepest = depth(recordings)
    return f" Of {deepest} layers {MOST_LINES} are drawn, evenly spaced." if deepest > MOST_LINES else ""


def _draw(
    frame: Frame,
    panel: Panel,
    arm: ArmStyle,
    recording: Recording,
    line: Array,
    number: int,
    colour: str,
    quantity: Quantity,
) -> None:
    """One layer's line; of a noisy quantity every record in a thin line and the running median over it."""
    layers, steps = len(recording.widths), recording.steps
    kept = thin(line) if line.size else np.empty(0, int)
    shared: dict[str, Any] = {
        "name": f"{arm.letter}, {called([recording], number)}",
        "legendgroup": arm.letter,
    }
    shown = {"hovertemplate": f"%{{y}}<extra>{called([recording], number)}</extra>"}
    strong = {"line": {"color": colour, "width": frame.theme.line, "dash": arm.dash}}
    if quantity.noisy:
        pale = faded(colour, 0.35 if layers <= 4 else 0.2)
        weak = {"line": {"color": pale, "width": 0.8}, "hoverinfo": "skip"}
        weak |= tabled(name=f"{shared['name']}, each record")
        frame.line(panel, steps[kept], line[kept], **shared, **weak)
        line = running_median(line, SMOOTHED)
    frame.line(panel, steps[kept], line[kept], **shared, **shown, **strong)


def _draw_chance(
    frame: Frame,
    panel: Panel,
    arm: ArmStyle,
    recording: Recording,
    number: int,
    colour: str,
    quantity: Quantity,
) -> None:
    """What mini-batches differ by at one step, as a dotted line of the layer's colour over all steps."""
    chance = quantity.chance(recording, number)
    if chance is None or not recording.steps.size:
        return
    frame.line(
        panel,
        recording.steps[[0, -1]],
        np.array([chance, chance]),
        name=f"{arm.letter}, chance, {called([recording], number)}",
        legendgroup=arm.letter,
        hovertemplate=f"%{{y}}<extra>chance between mini-batches, {called([recording], number)}</extra>",
        line={"color": faded(colour, 0.8), "width": 1.2, "dash": "dot"},
    )


def _values(recording: Recording, quantity: Quantity) -> list[Array]:
    """For each layer its values over the records, (R,); NaN where there is no number that the axis could show."""
    result = []
    for layer in range(1, len(recording.widths) + 1):
        line = recording.layer_column(layer, quantity.column(recording, layer))
        drawable = np.isfinite(line) & (line > 0) if quantity.logarithmic else np.isfinite(line)
        result.append(np.where(drawable, line, np.nan))
    return result


def _range(
    recordings: Sequence[Recording], values: Sequence[Sequence[Array]], quantity: Quantity
) -> tuple[float, float, dict[int, str]]:
    """The y range of all panels, and for an arm that leaves it a sentence that says so."""
    if quantity.logarithmic:
        lines = [line for own in values for line in own]
        if quantity.reference is not None and any(np.isfinite(line).any() for line in lines):
            lines.append(np.array([quantity.reference[0]]))
        low, high = decades(lines)
        return max(low, high - 12), high, {}
    needed = [
        max(
            max(usual(item.steps, line, elapsed(recordings)), quantity.chance(item, number) or 0.0)
            for number, line in enumerate(own, start=1)
        )
        if item.steps.size
        else 0.0
        for item, own in zip(recordings, values, strict=True)
    ]
    high = rounded_up(1.06 * reach(needed, 3.0), quantity.least)
    if quantity.percent:
        most = max(
            (float(np.nanmax(line)) for own in values for line in own if np.isfinite(line).any()), default=0.0
        )
        return 0.0, 1.02 * min(rounded_up(1.06 * most, quantity.least), 1.0), {}
    leaving = {}
    for a, (item, own) in enumerate(zip(recordings, values, strict=True)):
        largest = max((float(np.nanmax(line)) for line in own if np.isfinite(line).any()), default=0.0)
        if largest > high * 1.001:
            line = next(line for line in own if np.isfinite(line).any() and float(np.nanmax(line)) == largest)
            leaving[a] = f"beyond the frame: {short(largest)} at step {item.steps[int(np.nanargmax(line))]:,}"
    return 0.0, high, leaving


def _last(steps: Array, line: Array) -> tuple[int, float] | None:
    """The last point of a line that can be drawn."""
    finite = np.flatnonzero(np.isfinite(line))
    return (int(steps[finite[-1]]), float(line[finite[-1]])) if finite.size else None


def _alt(
    recordings: Sequence[Recording],
    arms: Sequence[ArmStyle],
    values: Sequence[Sequence[Array]],
    quantity: Quantity,
) -> str:
    said = f"{quantity.title}: a line for each layer over the training steps, a panel for each arm. "
    parts = []
    for arm, item, own in zip(arms, recordings, values, strict=True):
        ends = [_last(item.steps, line) for line in own]
        first, final = ends[0], ends[-1]
        if first is None or final is None or not has(item, 1):
            parts.append(f"{arm.label} has nothing to show yet")
            continue
        show = (lambda value: f"{value:.1%}") if quantity.percent else short
        parts.append(
            f"{arm.label}: {show(first[1])} in {called([item], 1)} and "
            f"{show(final[1])} in {called([item], len(own))} at step {final[0]:,}"
            + _chance_told(item, quantity)
            + (f", diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        )
    return said + "; ".join(parts) + "."


def _chance_told(recording: Recording, quantity: Quantity) -> str:
    """What chance alone gives in the layers of which that is known."""
    known = [quantity.chance(recording, number) for number in range(1, len(recording.widths) + 1)]
    told = [value for value in known if value is not None]
    return f" (chance between mini-batches alone: {short(min(told))} to {short(max(told))})" if told else ""
