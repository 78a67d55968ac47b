"""How smooth the loss is along the gradient: Figure 4 of Santurkar et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import faded
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.recording.landscape import AlongGradient
from bnviz.recording.statistics import middle

PANELS = {
    "loss": "loss, from lowest to highest",
    "change": "change of the gradient",
    "smoothness": "effective β-smoothness",
}
"""The panels, with what each shows."""


@dataclass(frozen=True)
class Walks:
    """One network. look: colour and dash."""

    label: str
    look: tuple[str, str]
    found: AlongGradient

    def bounds(self, panel: str) -> tuple[Array, Array]:
        """(R,) each, the lower and the upper edge of what is drawn; equal for a line."""
        found = self.found
        if panel == "loss":
            return found.lowest, found.highest
        if panel == "change":
            return np.asarray(found.change.min(axis=1)), found.gradient_change
        return found.smoothness, found.smoothness


@PlotFunction
def along_gradient(
    networks: Sequence[Walks], last: int, *, theme: str = "light", narrow: bool = False
) -> Plot:
    """Three panels over the training steps, all networks on one scale. last: the end of the axis of steps.

    From what the inspection `smoothness` found. Not to be mistaken for the loss in all directions: this is the one
    direction of the gradient, up to four times the learning rate, on the mini-batch of the step.
    """
    frame = Frame(
        "The loss along the gradient",
        "At w − s·g, for s from ½ to 4 times the learning rate, on the mini-batch of the step. Shaded: from the lowest "
        "to the highest on the way. The y axes are logarithmic.",
        theme=theme,
        narrow=narrow,
        height=760 if narrow else 400,
        view=("along_gradient", last),
        wide=130,
        head=26,
        legend=[item.label for item in networks],
    )
    frame.layout["legend"]["y"] += 24 / frame.plot_height  # above the headings
    x_axis = frame.steps_axis(max(last, 1), panels=3)
    panels = frame.row(3, x_axis, {}, gap_x=0.07, each_y=True)
    for panel, (name, title) in zip(panels, PANELS.items(), strict=True):
        frame.header(panel, f"<b>{title}</b>", frame.theme.ink, crowded=True)
        frame.own_log_y(panel, [edge for item in networks for edge in item.bounds(name)])
        for item in networks:
            _drawn(frame, panel, name, item, legend=panel is panels[0])
    frame.axis_note("training step")
    if not any(item.found.steps.size for item in networks):
        frame.place_for_words(panels[0], "This is measured<br>when the networks<br>are trained.")
    return frame.plot(_alt(networks))


def _drawn(frame: Frame, panel: Panel, name: str, item: Walks, legend: bool) -> None:
    """A line at the upper edge and, where there is a lower one, the area between them."""
    colour, dash = item.look
    low, high = item.bounds(name)
    finite = np.isfinite(high) & (high > 0)
    steps, low, high = item.found.steps[finite], low[finite], high[finite]
    band = name != "smoothness"
    named: dict[str, Any] = {"legendgroup": item.label}
    if band:
        frame.line(
            panel,
            steps,
            low,
            name=f"{item.label}, lowest",
            line={"color": colour, "width": 0.5},
            hoverinfo="skip",
            **tabled(name=f"{item.label}, lowest"),
            **named,
        )
    frame.line(
        panel,
        steps,
        high,
        name=item.label,
        line={"color": colour, "width": frame.theme.line, "dash": dash},
        hovertemplate="%{y}<extra>" + item.label + "</extra>",
        **named,
        **tabled(name=f"{item.label}, highest" if band else item.label),
        **({"fill": "tonexty", "fillcolor": faded(colour, 0.22)} if band else {}),
        **({"showlegend": True} if legend else {}),
    )


def _alt(networks: Sequence[Walks]) -> str:
    """The medians over the steps in words."""
    parts = []
    for item in networks:
        found = item.found
        numbers = [found.loss_range, found.gradient_change, found.smoothness]
        parts.append(
            f"{item.label}: range of the loss {short(middle(numbers[0]))}, change of the gradient "
            f"{short(middle(numbers[1]))}, β {short(middle(numbers[2]))}"
            if found.steps.size
            else f"{item.label}: nothing yet"
        )
    return (
        "The loss along the gradient, over the training steps. Medians over the steps. "
        + "; ".join(parts)
        + "."
    )
