"""The generalization gap: a quantity on the examples that a network trained on and on held-out ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.axes import rounded_up
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.lines import over_two_lines
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.figures.frame.theme import readable
from bnviz.recording.statistics import middle

APART = 0.09
"""Distance of two seeds of one network on the x axis, on which networks are 1 apart."""


@dataclass(frozen=True, eq=False)
class GeneralizationGap:
    """One kind of network. look: colour and dash. train, test: (seeds,), NaN where there is nothing yet."""

    label: str
    look: tuple[str, str]
    train: Array
    test: Array


@PlotFunction
def generalization_gap(
    networks: Sequence[GeneralizationGap],
    *,
    title: str,
    subtitle: str,
    axis: str,
    percent: bool = False,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """For each seed of each network a line from training examples (ring) to held-out examples (dot).

    axis: the quantity, with its unit. percent: it is a share, from 0 to 1.

    From one value on each split for each seed; the number beside the lines is the median gap. Not to be mistaken for
    quality: a network that learns nothing has no gap. Seeds stand side by side for room alone.
    """
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=380,
        view=("generalization_gap", title),
        wide=130,
        right=36 if narrow else 18,  # half of the last label stands there
    )
    ends = [np.concatenate([item.train, item.test]) for item in networks]
    known = np.concatenate(ends)[np.isfinite(np.concatenate(ends))]
    top = 1.03 if percent else rounded_up(1.06 * float(known.max()) if known.size else 1.0, 1e-9)
    bottom = max(0.0, math.floor(10 * float(known.min()) - 0.5) / 10) if percent and known.size else 0.0
    y_axis: dict[str, Any] = {"range": [bottom, top], "title": {"text": axis}}
    if percent:
        y_axis |= {"tickformat": ".0%", "dtick": 0.1}
    x_axis = {
        "range": [-0.6, len(networks) - 0.4],
        "tickmode": "array",
        "tickvals": list(range(len(networks))),
        "tickangle": 0,
        "ticktext": [
            "<br><br>" * (narrow and place % 2) + over_two_lines(item.label)
            for place, item in enumerate(networks)
        ],
        "showgrid": False,
    }
    if narrow:
        frame.deepen(2)
    frame.meta["names"] = {"x": [item.label for item in networks]}
    panel = frame.panels(1, 1, x_axis, y_axis)[0][0]
    for place, item in enumerate(networks):
        _network(frame, panel, place, item, percent)
    if not known.size:
        frame.place_for_words(panel, "A line for each trained network appears here.")
    return frame.plot(_alt(networks, title, percent))


def _network(frame: Frame, panel: Panel, place: int, item: GeneralizationGap, percent: bool) -> None:
    """The seeds of one network, and between them its median gap in words."""
    colour, _ = item.look
    seeds = len(item.train)
    for seed, (train, test) in enumerate(zip(item.train, item.test, strict=True)):
        if not (math.isfinite(train) and math.isfinite(test)):
            continue
        x = place + APART * (seed - (seeds - 1) / 2)
        frame.line(
            panel,
            np.array([x, x]),
            np.array([train, test]),
            mode="lines+markers",
            name=item.label,
            **tabled(name=f"seed {seed + 1}: training, then held-out"),
            line={"color": colour, "width": frame.theme.line},
            marker={
                "symbol": ["circle-open", "circle"],
                "size": 9,
                "color": colour,
                "line": {"color": colour, "width": frame.theme.line},
            },
            cliponaxis=False,
            hovertemplate="%{y:.1%}" if percent else "%{y:.3~g}",
        )
    typical = _middle(np.abs(item.train - item.test))
    if math.isfinite(typical):
        half = APART * (seeds - 1) / 2
        frame.note(
            _shown(typical, percent).replace(" ", "<br>" if frame.narrow else " "),
            xref=panel.x,
            x=place + half,
            xanchor="left",
            xshift=9,
            yref=panel.y,
            y=(_middle(item.train) + _middle(item.test)) / 2,
            yanchor="middle",
            font={"size": frame.size, "color": readable(colour, frame.theme)},
        )


def _middle(values: Array) -> float:
    return middle(values[np.isfinite(values)])


def _shown(value: float, percent: bool) -> str:
    return f"{100 * value:.1f} points" if percent else short(value)


def _alt(networks: Sequence[GeneralizationGap], title: str, percent: bool) -> str:
    """Every median gap in words."""
    parts = [
        f"{item.label}: {_shown(typical, percent) if math.isfinite(typical) else 'nothing yet'}"
        for item in networks
        for typical in [_middle(np.abs(item.train - item.test))]
    ]
    return f"{title}. Median gap between training and held-out examples: " + "; ".join(parts) + "."
