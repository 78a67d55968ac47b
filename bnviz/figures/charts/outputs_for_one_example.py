"""What a network answers for one example, in one mini-batch after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.figures.frame.frame import Frame, side_by_side
from bnviz.figures.frame.lines import over_two_lines
from bnviz.figures.frame.plot import Array, Plot, PlotFunction


@dataclass(frozen=True, eq=False)
class Answers:
    """One network. look: colour and dash.

    chances: (batches,), the probability of the example's class in each mini-batch; empty before there are any.
    inference: the same in inference mode, without a mini-batch.
    """

    label: str
    look: tuple[str, str]
    chances: Array
    inference: float


@PlotFunction
def outputs_for_one_example(
    networks: Sequence[Answers], *, title: str, subtitle: str, theme: str = "light", narrow: bool = False
) -> Plot:
    """A panel for each network: a dot for each mini-batch, a dotted line for the output at inference.

    From what a lab's inspection found of one example. Not to be mistaken for training: the network is the same for all
    dots, and their order means nothing.
    """
    rows, _ = side_by_side(len(networks), narrow)
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=150 + 130 * rows if narrow else 360,
        view=("outputs_for_one_example", title),
        head=44,
    )
    batches = max((len(item.chances) for item in networks), default=0) or 100
    x_axis = {"range": [-2, batches + 2], "showgrid": False, "dtick": batches // 2}
    y_axis = {
        "range": [-0.16, 1.03],  # below zero there is room for words
        "tickformat": ".0%",
        "tickmode": "array",
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
        "title": {"text": "probability of the right class"},
    }
    places = frame.row(len(networks), x_axis, y_axis, gap_x=0.025, gap_y=44)
    for panel, item in zip(places, networks, strict=True):
        colour = item.look[0]
        words = item.label if narrow else over_two_lines(item.label)
        frame.header(panel, f"<b>{words}</b>", colour)
        if not item.chances.size:
            continue
        frame.line(
            panel,
            np.array([0, batches]),
            np.full(2, item.inference),
            name="at inference",
            line={"color": frame.theme.quiet, "width": 1.2, "dash": "dot"},
            hovertemplate="%{y:.1%}<extra>at inference</extra>",
        )
        frame.line(
            panel,
            np.arange(1, batches + 1),
            item.chances,
            mode="markers",
            name=item.label,
            marker={"color": colour, "size": 5, "opacity": 0.8},
            hovertemplate="%{y:.1%}<extra>mini-batch %{x}</extra>",
        )
        spread = f"± {100 * float(item.chances.std()):.1f} points"
        frame.panel_note(panel, spread, y=0.0, yanchor="bottom", xshift=4)
    frame.axis_note("mini-batch")
    if not any(item.chances.size for item in networks):
        frame.place_for_words(None, "A dot for each mini-batch appears here when all networks are trained.")
    return frame.plot(_alt(networks, title))


def _alt(networks: Sequence[Answers], title: str) -> str:
    """Each network's range in words."""
    parts = [
        f"{item.label}: from {item.chances.min():.1%} to {item.chances.max():.1%}, at inference {item.inference:.1%}"
        if item.chances.size
        else f"{item.label}: nothing yet"
        for item in networks
    ]
    return f"{title}. Probability of the right class over the mini-batches. " + "; ".join(parts) + "."
