"""Sharpness over training beside 2/η, and the loss: the edge of stability (Cohen et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.recording.landscape import Sharpness


@dataclass(frozen=True)
class Curvature:
    """One network. look: colour and dash."""

    label: str
    look: tuple[str, str]
    found: Sharpness


@PlotFunction
def sharpness(
    networks: Sequence[Curvature],
    last: int,
    *,
    whole: bool,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Two panels over the training steps, all networks on one scale. last: the end of the axis of steps.

    whole: whether each step sees all training examples, so that 2/η is a limit of stability.

    From what the inspection `sharpness` found. Not to be mistaken for the curvature of a mini-batch's loss: it is that
    of up to 5,000 training examples together.
    """
    frame = Frame(
        "Sharpness: the largest eigenvalue of the Hessian",
        "Of the loss over the training examples, in training mode. "
        + (
            "Dotted: 2/η, up to which gradient descent on a quadratic is stable. The y axes are logarithmic."
            if whole
            else "Dotted: 2/η, the limit for gradient descent on all examples; these steps see mini-batches. "
            "The y axes are logarithmic."
        ),
        theme=theme,
        narrow=narrow,
        height=600 if narrow else 400,
        view=("sharpness", last),
        wide=130,
        head=26,
        legend=[*(item.label for item in networks), "2/η"],
    )
    frame.layout["legend"]["y"] += 24 / frame.plot_height  # above the headings
    x_axis = frame.steps_axis(max(last, 1), panels=2)
    curved, lost = frame.row(2, x_axis, {}, gap_x=0.08, each_y=True)
    frame.header(curved, "<b>sharpness λ</b>", frame.theme.ink)
    frame.header(lost, "<b>loss</b>", frame.theme.ink)
    limits = [item.found.limit for item in networks]
    frame.own_log_y(curved, [*(item.found.sharpness for item in networks), *limits])
    frame.own_log_y(lost, [item.found.loss for item in networks])
    for item in networks:
        colour, dash = item.look
        for panel, values in ((curved, item.found.sharpness), (lost, item.found.loss)):
            drawn = np.isfinite(values) & (values > 0)
            frame.line(
                panel,
                item.found.steps[drawn],
                values[drawn],
                name=item.label,
                legendgroup=item.label,
                showlegend=panel is curved,
                line={"color": colour, "width": frame.theme.line, "dash": dash},
                hovertemplate="%{y}<extra>" + item.label + "</extra>",
            )
    longest = max((item.found for item in networks), key=lambda found: found.steps.size)
    finite = np.isfinite(longest.limit)
    frame.line(
        curved,
        longest.steps[finite],
        longest.limit[finite],
        name="2/η",
        showlegend=True,
        line={"color": frame.theme.ink, "width": 1.5, "dash": "dot"},
        hovertemplate="%{y}<extra>2/η</extra>",
        **tabled(name="2/η"),
    )
    frame.axis_note("training step")
    if not longest.steps.size:
        frame.place_for_words(curved, "Press Measure.")
    return frame.plot(_alt(networks))


def _alt(networks: Sequence[Curvature]) -> str:
    parts = []
    for item in networks:
        found = item.found
        known = found.sharpness[np.isfinite(found.sharpness)]
        if not known.size:
            parts.append(f"{item.label}: nothing yet")
            continue
        top = int(np.nanargmax(found.sharpness))
        over = int((found.sharpness > found.limit).sum())
        limit = f", 2/η {short(float(found.limit[-1]))}" if math.isfinite(found.limit[-1]) else ""
        parts.append(
            f"{item.label}: sharpness {short(known[0])} at first, {short(float(np.nanmax(known)))} at most at step "
            f"{found.steps[top]:,}, {short(known[-1])} in the end{limit}; above 2/η at {over} of "
            f"{found.steps.size} records"
        )
    return "Sharpness and loss over the training steps. " + "; ".join(parts) + "."
