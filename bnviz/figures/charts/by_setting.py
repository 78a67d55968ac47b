"""A quantity for each of several settings: learning rates, weight scales, layers. One line for each kind of network.

The settings stand evenly, whatever their values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnviz.figures.frame.axes import decades, log_ticks, rounded_up
from bnviz.figures.frame.frame import Frame, Panel, side_by_side
from bnviz.figures.frame.lines import LINE, over_two_lines
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels
from bnviz.figures.marks.lines import level, name_reference, you_said
from bnviz.recording.statistics import middle

BELOW = 0.4
"""From an axis down to its tick labels, in sizes of the type."""
WIDE, NARROW = 88, 44
"""Characters of tick labels that stand side by side in a figure at the usual size of type, and on a phone."""
SIGNS = {"circle": "●", "square": "■", "diamond": "◆", "triangle-down": "▼"}
"""Of lines whose marks are not joined, one after the other: the mark, and the same before the line's name."""
STROKE = 16
"""Pixels of the stroke at a median where no line joins them."""
ASIDE = 0.12
"""How far, in settings, the marks of different lines at the upper edge stand from each other."""


@dataclass(frozen=True, eq=False)
class Series:
    """One line. values: (seeds, settings), infinite where something was never reached, NaN where there is nothing.

    lost: (seeds, settings), where training diverged; drawn as a cross. look: colour and dash.
    joined: whether a line joins the medians; not where settings are things of a kind without an order.
    """

    label: str
    look: tuple[str, str]
    values: Array
    lost: Array = field(default_factory=lambda: np.zeros((0, 0), bool))
    joined: bool = True

    @property
    def medians(self) -> Array:
        """(settings,) the middle of the seeds; NaN where there is nothing or it is infinite."""
        medians = np.array([middle(column) for column in self.values.T])
        return np.where(np.isfinite(medians), medians, math.nan)


@PlotFunction
def by_setting(
    panels: Mapping[str, Sequence[Series]],
    settings: Sequence[str],
    scale: Scale,
    *,
    title: str,
    subtitle: str,
    setting_title: str,
    guess: float | None = None,
    guess_at: float | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """One panel for each heading in `panels` (a single one may be called ""), all on the same axes.

    settings: the settings, from left to right; setting_title: what they are together. guess: what was predicted, on the
    y axis of the last panel; guess_at: the same among the settings, counted from 0.

    From one value for each seed and setting. A seed is a dot, one that diverged a cross; the line joins the medians.
    Not to be mistaken for a function of the settings: between two of them nothing was measured, and their distances are
    not to scale.
    """
    rows, columns = side_by_side(len(panels), narrow)
    headed = len(panels) > 1
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=150 + 210 * rows if narrow else 380,
        view=("by_setting", title),
        wide=130,
        right=96,
        head=44 if columns > 2 else 26 if headed else 10,
    )
    staggered, every = _tick_labels(settings, (NARROW if narrow else WIDE * 13 / frame.theme.size) / columns)
    further = BELOW / LINE + staggered
    frame.deepen(further)
    low, high = _range(panels, scale, guess)
    y_axis: dict[str, Any] = {"range": [low, high], "title": {"text": scale.title}}
    if scale.percent:
        y_axis |= {"tickformat": ".0%", "dtick": 0.2, "hoverformat": ".1%"}
    elif scale.logarithmic:
        y_axis |= {"type": "log", "tickmode": "array", "hoverformat": ".3~g", **log_ticks(low, high)}
    first, last = -0.4, len(settings) - 0.95  # lines of the background end before the names of the data's
    x_axis = {
        "range": [first, last],
        "tickmode": "array",
        "tickvals": list(range(len(settings))),
        "ticktext": [
            "" if place % every else f"<br>{item}" if staggered and place // every % 2 else item
            for place, item in enumerate(settings)
        ],
        "tickangle": 0,
        "ticks": "outside",  # not to be seen: they keep the names away from the lowest value of the y axis
        "ticklen": round(BELOW * frame.size),
        "tickcolor": "rgba(0,0,0,0)",
        "showgrid": False,
    }
    frame.meta["names"] = {"x": list(settings)}
    places = frame.row(len(panels), x_axis, y_axis, gap_x=0.12)
    for panel, (heading, lines) in zip(places, panels.items(), strict=True):
        if headed:
            words = over_two_lines(heading) if columns > 2 else heading
            frame.header(panel, f"<b>{words}</b>", frame.theme.ink, crowded=columns > 2)
        if scale.reference is not None:
            level(frame, panel, scale.reference[0])
            name_reference(frame, panel, scale)
        for place, line in enumerate(lines):
            aside = ASIDE * (place - (len(lines) - 1) / 2)
            _line(frame, panel, line, scale, (low, high), aside, _sign(lines, place))
        if narrow or panel is places[-1]:
            _labels(frame, panel, lines, scale, (low, high), rows)
    if guess is not None:
        you_said(frame, places[-1], y=guess)
    if guess_at is not None and first < guess_at < last:
        you_said(frame, places[-1], x=guess_at)
    frame.axis_note(setting_title, lines_above=1 + further)
    if not any(np.isfinite(line.values).any() for lines in panels.values() for line in lines):
        words = "A dot for each trained network<br>appears here."
        frame.place_for_words(places[0] if rows > 1 else None, words)
    told = "" if guess is None else f" Predicted: {scale.shown(guess)}."
    return frame.plot(_alt(panels, settings, scale, title, setting_title) + told)


def _tick_labels(settings: Sequence[str], room: float) -> tuple[bool, int]:
    """Whether every second name goes a line lower, and that only every so many names are written.

    room: characters that stand side by side.
    """
    wanted = len(settings) * (max(map(len, settings)) + 1)
    return wanted > room, max(1, math.ceil(wanted / (2 * room)))


def _range(
    panels: Mapping[str, Sequence[Series]], scale: Scale, guess: float | None = None
) -> tuple[float, float]:
    """The range of all panels and of what was predicted, as powers of ten if the axis is logarithmic."""
    if scale.percent:
        return 0.0, 1.03
    values = [line.values[np.isfinite(line.values)] for lines in panels.values() for line in lines]
    values += [] if guess is None else [np.array([guess])]
    if scale.logarithmic:
        low, high = decades(values)
        return low - 0.08 * (high - low), high + 0.08 * (high - low)
    return 0.0, rounded_up(1.06 * max((float(item.max()) for item in values if item.size), default=1.0), 1e-9)


def _sign(lines: Sequence[Series], place: int) -> str:
    """The mark of the line at this place: one of its own where no dashes tell it from the others of its panel."""
    return list(SIGNS)[place % len(SIGNS)] if _apart(lines, place) else "circle"


def _apart(lines: Sequence[Series], place: int) -> bool:
    """Whether the line has no dashes, and others stand beside it."""
    return len(lines) > 1 and not lines[place].joined


def _line(
    frame: Frame,
    panel: Panel,
    line: Series,
    scale: Scale,
    limits: tuple[float, float],
    aside: float,
    sign: str,
) -> None:
    """The seeds as dots or other signs, as crosses and, where a value is infinite, as triangles at the upper edge; the
    median as a line.
    """
    colour, dash = line.look
    settings = np.arange(line.values.shape[1])
    frame.line(
        panel,
        settings,
        line.medians,
        name=line.label,
        line={"color": colour, "width": frame.theme.line, "dash": dash},
        hovertemplate="%{y}<extra>" + line.label + "</extra>",
        **tabled(name=f"{line.label}, median"),
        **({} if line.joined else _stroke(colour)),
    )
    seeds, places = np.nonzero(~np.isnan(line.values))
    values = line.values[seeds, places]
    lost = line.lost[seeds, places] if line.lost.size else np.zeros(len(seeds), bool)
    top = 10 ** limits[1] if scale.logarithmic else limits[1]
    symbols = np.where(lost, "x-thin", np.where(np.isinf(values), "triangle-up-open", sign))
    frame.curves.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": (places + np.where(np.isinf(values), aside, 0.0)).tolist(),
            "y": np.where(np.isinf(values), top, values).tolist(),
            "xaxis": panel.x,
            "yaxis": panel.y,
            "name": f"{line.label}, seeds",
            **tabled(said=_told_apart(values, lost, scale)),
            "showlegend": False,
            "cliponaxis": False,
            "hoverinfo": "skip",
            "marker": {
                "symbol": symbols.tolist(),
                "size": np.where(lost, 9, 7).tolist(),
                "color": colour,
                "opacity": 0.75,
                "line": {"color": colour, "width": np.where(lost, 2.5, 1.5).tolist()},
            },
        }
    )


def _told_apart(values: Array, lost: Array, scale: Scale) -> list[str | None]:
    """For the figure's table: what a seed's mark says besides its place. None where it is a dot."""
    return [
        "never" if np.isinf(value) else f"{scale.shown(float(value))} (diverged)" if gone else None
        for value, gone in zip(values, lost, strict=True)
    ]


def _stroke(colour: str) -> dict[str, Any]:
    """A short stroke at each median, and no line between them."""
    stroke = {"symbol": "line-ew-open", "size": STROKE, "line": {"color": colour, "width": 2}}
    return {"mode": "markers", "marker": stroke, "cliponaxis": False}


def _labels(
    frame: Frame, panel: Panel, lines: Sequence[Series], scale: Scale, limits: tuple[float, float], rows: int
) -> None:
    """Each line's name at its right end, moved apart where lines meet."""
    low, high = limits
    labels = []
    for place, line in enumerate(lines):
        drawn = np.flatnonzero(np.isfinite(line.medians))
        named = f"{SIGNS[_sign(lines, place)]} {line.label}" if _apart(lines, place) else line.label
        if drawn.size:
            value = float(line.medians[drawn[-1]])
            share = ((math.log10(value) if scale.logarithmic else value) - low) / (high - low)
            height = clipped(share) * frame.panel_height(rows)
            colour = readable(line.look[0], frame.theme)
            labels.append(EndLabel(named, int(drawn[-1]), height, colour, smaller=1))
    beside = 9 if all(line.joined for line in lines) else STROKE / 2 + 5
    end_labels(frame, panel, labels, rows=rows, gap=4, xshift=beside, align="left")


def _alt(
    panels: Mapping[str, Sequence[Series]],
    settings: Sequence[str],
    scale: Scale,
    title: str,
    setting_title: str,
) -> str:
    """Every median in words."""
    parts = []
    for heading, lines in panels.items():
        for line in lines:
            told = [
                f"{scale.shown(value)} at {setting}" + (" (diverged)" if lost else "")
                for setting, value, lost in zip(settings, line.medians, _lost(line), strict=True)
                if not math.isnan(value)
            ]
            name = f"{heading}, {line.label}" if heading else line.label
            parts.append(f"{name}: {', '.join(told) or 'nothing yet'}")
    return f"{title}, by {setting_title}. " + "; ".join(parts) + "."


def _lost(line: Series) -> Array:
    """(settings,) whether at least half of the seeds diverged."""
    if not line.lost.size:
        return np.zeros(line.values.shape[1], bool)
    return np.asarray(line.lost.mean(axis=0) >= 0.5)
