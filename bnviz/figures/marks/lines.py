"""Lines that stand for something besides the data: a reference, a step, a mean, the end of an arm that diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bnviz.experiment import Experiment, Intervention
from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.lines import LINE
from bnviz.figures.frame.scale import Scale
from bnviz.figures.frame.theme import readable


def level(frame: Frame, panel: Panel, value: float, *, behind: bool = True) -> None:
    """A thin dotted line across the panel at `value`. behind: below what is measured."""
    line = {
        "type": "line",
        "xref": f"{panel.x} domain",
        "yref": panel.y,
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"color": frame.theme.quiet, "width": 1, "dash": "dot"},
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
        _upright(frame, panel, max(step, frame.first_step), {"color": frame.theme.quiet, "width": 1})


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


def mean_line(frame: Frame, panel: Panel, value: float) -> None:
    """A dotted upright line at the mean of what the panel shows."""
    _upright(frame, panel, value, {"color": frame.theme.ink, "width": 1.5, "dash": "dot"})


def _upright(frame: Frame, panel: Panel, x: float, line: dict[str, object]) -> None:
    frame.shapes.append(
        {
            "type": "line",
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
        }
    )
