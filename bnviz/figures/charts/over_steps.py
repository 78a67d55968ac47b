"""Measured quantities over the training steps, a line each, in panels that share their axes.

For what a lab measures itself; for what every Recording holds there are charts with names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.axes import decades, log_ticks, rounded_up
from bnviz.figures.frame.frame import Frame, Panel, side_by_side
from bnviz.figures.frame.lines import over_two_lines
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.tabled import UNTABLED
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels


@dataclass(frozen=True, eq=False)
class Curve:
    """One line. look: colour and dash. steps, values: (R,); what is not a finite number is left out."""

    label: str
    look: tuple[str, str]
    steps: Array
    values: Array

    @property
    def drawn(self) -> tuple[Array, Array]:
        """The points that are numbers."""
        finite = np.isfinite(self.values)
        return self.steps[finite], self.values[finite]


@PlotFunction
def over_steps(
    panels: Mapping[str, Sequence[Curve]],
    scale: Scale,
    last: int,
    *,
    title: str,
    subtitle: str,
    step_title: str = "training step",
    limits: tuple[float, float] | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """A panel for each heading (a single one may be called ""). last: the end of the axis of steps.

    limits: the range of the y axis where theory gives one; None to fit what was measured.

    From what a lab's inspection found. Not to be mistaken for measured at every step: a line joins the steps at which
    the inspection looked.
    """
    rows, columns = side_by_side(len(panels), narrow)
    headed = len(panels) > 1
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=150 + 190 * rows if narrow else 370,
        view=("over_steps", title, last),
        wide=130,
        right=_room(panels, narrow) if narrow or not headed else 70,
        head=44 if columns > 2 else 26 if headed else 10,
    )
    low, high = limits or _range(panels, scale)
    y_axis: dict[str, Any] = {"range": [low, high], "title": {"text": scale.title}}
    if scale.percent:
        y_axis |= {"tickformat": ".0%", "hoverformat": ".1%"}
    elif scale.logarithmic:
        y_axis |= {"type": "log", "tickmode": "array", "hoverformat": ".3~g", **log_ticks(low, high)}
    else:
        y_axis |= {"hoverformat": ".3~g"}
    x_axis = frame.steps_axis(max(last, 1), panels=max(columns, 2) if headed else 1)
    places = frame.row(len(panels), x_axis, y_axis, gap_x=0.075)
    for panel, (heading, lines) in zip(places, panels.items(), strict=True):
        if headed:
            words = over_two_lines(heading, 14) if columns > 2 else heading
            frame.header(panel, f"<b>{words}</b>", frame.theme.ink, crowded=columns > 2)
        if scale.reference is not None:
            _reference(frame, panel, scale)
        for line in lines:
            steps, values = line.drawn
            colour, dash = line.look
            frame.line(
                panel,
                steps,
                values,
                name=line.label,
                line={"color": colour, "width": frame.theme.line, "dash": dash},
                hovertemplate="%{y}<extra>" + line.label + "</extra>",
            )
        named = scale.reference if panel is places[-1] else None
        _labels(frame, panel, lines, scale, (low, high), rows, named)
    frame.axis_note(step_title)
    if not any(line.drawn[0].size for lines in panels.values() for line in lines):
        frame.place_for_words(places[0], "This is measured<br>when the networks<br>are trained.")
    return frame.plot(_alt(panels, scale, title))


def _room(panels: Mapping[str, Sequence[Curve]], narrow: bool) -> int:
    """Pixels for the longest label to the right of the lines."""
    longest = max((len(line.label) for lines in panels.values() for line in lines), default=8)
    return round((6.0 if narrow else 6.8) * longest) + 20


def _range(panels: Mapping[str, Sequence[Curve]], scale: Scale) -> tuple[float, float]:
    """The range of all panels, as powers of ten if the axis is logarithmic."""
    if scale.percent:
        return 0.0, 1.03
    values = [line.drawn[1] for lines in panels.values() for line in lines]
    if scale.logarithmic:
        low, high = decades(values)
        return low - 0.06 * (high - low), high + 0.06 * (high - low)
    top = max((float(item.max()) for item in values if item.size), default=1.0)
    return 0.0, rounded_up(1.04 * top, 1e-9)


def _reference(frame: Frame, panel: Panel, scale: Scale) -> None:
    """A thin dotted line."""
    value, _ = scale.reference or (0.0, "")
    frame.line(
        panel,
        np.array([0, 10**7]),  # beyond both ends of any axis of steps
        np.array([value, value]),
        line={"color": frame.theme.quiet, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        **UNTABLED,
    )


def _labels(
    frame: Frame,
    panel: Panel,
    lines: Sequence[Curve],
    scale: Scale,
    limits: tuple[float, float],
    rows: int,
    reference: tuple[float, str] | None,
) -> None:
    """Each line's name at its right end, and that of a reference, moved apart where lines meet."""
    low, high = limits

    def height(value: float) -> float:
        if scale.logarithmic:
            value = math.log10(value) if value > 0 else low
        return clipped((value - low) / (high - low)) * frame.panel_height(rows)

    labels = []
    for line in lines:
        steps, values = line.drawn
        if steps.size:
            colour = readable(line.look[0], frame.theme)
            labels.append(EndLabel(line.label, int(steps[-1]), height(float(values[-1])), colour, smaller=2))
    if reference is not None:
        labels.append(EndLabel(reference[1], None, height(reference[0]), frame.theme.quiet, smaller=2))
    end_labels(frame, panel, labels, rows=rows, gap=2, xshift=5, align="left")


def _alt(panels: Mapping[str, Sequence[Curve]], scale: Scale, title: str) -> str:
    """Where each line begins and ends, in words."""
    parts = []
    for heading, lines in panels.items():
        for line in lines:
            steps, values = line.drawn
            name = f"{heading}, {line.label}" if heading else line.label
            told = (
                f"{_shown(scale, values[0])} at step {steps[0]:,}, {_shown(scale, values[-1])} at step {steps[-1]:,}"
                if steps.size
                else "nothing yet"
            )
            parts.append(f"{name}: {told}")
    return f"{title}, over the steps. " + "; ".join(parts) + "."


def _shown(scale: Scale, value: float) -> str:
    return f"{value:.1%}" if scale.percent else short(float(value))
