"""Lines that stand for something besides the data: a reference, a step, a mean, the end of an arm that diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bnviz.experiment import Experiment, Intervention
from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.lines import LINE
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.frame.theme import readable


def level(
    frame: Frame, panel: Panel, value: float, *, behind: bool = True, look: dict[str, object] | None = None
) -> None:
    """A thin line across the panel at `value`, dotted unless `look` says otherwise. behind: below what is measured."""
    line = {
        "type": "line",
        "xref": f"{panel.x} domain",
        "yref": panel.y,
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": look or {"color": frame.theme.quiet, "width": 1, "dash": "dot"},
    }
    frame.shapes.append(line | ({"layer": "below"} if behind else {}))


def name_reference(frame: Frame, panel: Panel, scale: Scale) -> None:
    """The words of a scale's reference value, above its line at the left."""
    if scale.reference is None:
        return
    value, words = scale.reference
    frame.note(
        words,
        xref=f"{panel.x} domain",
        x=0,
        xanchor="left",
        yref=panel.y,
        y=math.log10(value) if scale.logarithmic else value,
        yanchor="bottom",
        font={"size": frame.size - 2, "color": frame.theme.quiet},
    )


def scrubber(frame: Frame, panel: Panel, step: int | None) -> None:
    """The thin upright line at the step that the reader looks at."""
    if step is not None:
        _upright(
            frame,
            panel,
            max(step, frame.first_step),
            {"color": frame.theme.quiet, "width": 1},
            name="scrubber",
        )


def changed(
    frame: Frame, panel: Panel, interventions: Sequence[Intervention], last: int, end: int | None = None
) -> None:
    """A dotted upright line at each step at which something was changed, with the new value in words.

    last: the latest step that is drawn; what was changed later is not marked yet. end: of the x axis of a panel with
    little width, where the words stand over two lines, on the side with more room,
    those of up to three changes above each other.
    """
    knobs = Experiment.knobs()
    shown = [item for item in interventions if item.step <= last]
    for number, item in enumerate(shown):
        _upright(
            frame,
            panel,
            max(item.step, frame.first_step),
            {"color": frame.theme.ink, "width": 1, "dash": "dot"},
        )
        words, late, above = f"{knobs[item.field].label.lower()} {item.value:g}", False, 0
        if end is not None:
            words, late = words.replace(" ", "<br>", 1), 2 * item.step > end
            above = round(2 * LINE * (frame.size - 2)) * (number % 3)
        frame.note(
            words,
            xref=panel.x,
            x=frame.note_x(item.step),
            xanchor="right" if late else "left",
            align="right" if late else "left",
            xshift=-3 if late else 3,
            yref=f"{panel.y} domain",
            y=0,
            yanchor="bottom",
            yshift=above,
            font={"size": frame.size - 2, "color": frame.theme.ink},
        )


def you_said(
    frame: Frame, panel: Panel, *, x: float | None = None, y: float | None = None, at_top: bool = True
) -> None:
    """A thin dashed line at what was predicted, on the x axis or on the y axis, and the word "predicted".

    at_top: where the words stand beside an upright line.
    """
    look = {"color": frame.theme.ink, "width": 1, "dash": "dash"}
    font = {"size": frame.size - 2, "color": frame.theme.ink}
    if x is not None:
        _upright(frame, panel, x, look)
        place = _note_place(frame, panel.x, x)
        late = place > sum(frame.axis(panel.x)["range"]) / 2
        frame.note(
            "predicted",
            xref=panel.x,
            x=place,
            xanchor="right" if late else "left",
            xshift=-4 if late else 4,
            yref=f"{panel.y} domain",
            y=int(at_top),
            yanchor="top" if at_top else "bottom",
            font=font,
        )
    if y is not None:
        level(frame, panel, y, look=look)
        frame.note(
            "predicted",
            xref=f"{panel.x} domain",
            x=0.5,
            xanchor="center",
            yref=panel.y,
            y=_note_place(frame, panel.y, y),
            yanchor="bottom",
            font=font,
        )


def _note_place(frame: Frame, axis: str, value: float) -> float:
    """Where Plotly is to put a note: on a logarithmic axis it wants the power of ten."""
    return math.log10(value) if frame.axis(axis).get("type") == "log" else value


def mean_line(frame: Frame, panel: Panel, value: float) -> None:
    """A dotted upright line at the mean of what the panel shows."""
    _upright(frame, panel, value, {"color": frame.theme.ink, "width": 1.5, "dash": "dot"})


def _upright(frame: Frame, panel: Panel, x: float, line: dict[str, object], name: str = "") -> None:
    frame.shapes.append(
        {
            "type": "line",
            "name": name,
            "xref": panel.x,
            "yref": f"{panel.y} domain",
            "x0": x,
            "x1": x,
            "y0": 0,
            "y1": 1,
            "line": line,
        }
    )


def diverged(
    frame: Frame, panel: Panel, arm: ArmStyle, at: int | None, height: float, last: int, short: bool = False
) -> None:
    """An × and a word where an arm diverged; drawn last, so that the other traces keep their places.

    height: where on the y axis. last: the end of the x axis, from which the word keeps its distance.
    short: for small panels, the word alone without the step.
    """
    if at is None:
        return
    word = "diverged" if short else f"diverged at step {at:,}"
    frame.crosses.append(
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": [max(at, frame.first_step)],
            "y": [height],
            "text": [f" {word} "],
            "textposition": "top right" if at < 0.5 * last else "top left",
            "textfont": {"size": frame.size - 2, "color": readable(arm.colour, frame.theme)},
            "marker": {"symbol": "x-thin", "size": 10, "line": {"width": 2.5, "color": arm.colour}},
            "xaxis": panel.x,
            "yaxis": panel.y,
            "cliponaxis": False,
            "hoverinfo": "skip",
            "showlegend": False,
            "legendgroup": arm.letter,
            "name": f"{arm.letter} diverged",
            **tabled(note=f"{arm.label} diverged at step {at:,}."),
        }
    )
