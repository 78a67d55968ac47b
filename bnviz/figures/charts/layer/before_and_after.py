"""Before, normalized, and scaled and shifted: one unit's values for a mini-batch."""

from __future__ import annotations

import numpy as np

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, MORE, faded
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.marks.lines import mean_line
from bnviz.layer.arithmetic import forward

BINS = 60
GREEN = MORE[0][0]


@PlotFunction
def before_and_after(
    values: Array,
    gamma: float,
    beta: float,
    epsilon: float,
    *,
    unit: int,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Histograms of one unit's x, x̂ and y = γ·x̂ + β, one below the other on one axis; dotted: the mean.

    values: (N,), x, from `LayerBatch.crowd`, one large mini-batch. Not to be mistaken for what training sees: its
    mini-batches are smaller, and each has a mean and a variance of its own.
    """
    lines = forward(values, gamma, beta, epsilon)
    shown = {"x, before": lines.x, "x̂, normalized": lines.x_hat, "y = γ·x̂ + β": lines.y}
    low = min(float(item.min()) for item in shown.values())
    high = max(float(item.max()) for item in shown.values())
    margin = 0.04 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    frame = Frame(
        f"Unit {unit}: before, normalized, and scaled and shifted",
        f"{len(values):,} training examples as one mini-batch; all three on one axis. The line is the mean.",
        theme=theme,
        narrow=narrow,
        height=430,
        view=("before and after", unit),
        wide=110,
        head=22,
    )
    counts = [np.histogram(item, edges)[0] for item in shown.values()]
    grid = frame.panels(
        3,
        1,
        {"range": [edges[0], edges[-1]], "nticks": 9, "showgrid": False, "hoverformat": ".3~g"},
        {"range": [0, 1.08 * max(1, *(item.max() for item in counts))], "nticks": 3, "hoverformat": ",d"},
        gap_y=34,
    )
    looks = (frame.theme.quiet, GREEN, BLUE)
    for (row,), (name, item), count, colour in zip(grid, shown.items(), counts, looks, strict=True):
        frame.line(
            row,
            edges,
            np.append(count, count[-1]),
            name=name,
            fill="tozeroy",
            fillcolor=faded(colour, frame.theme.strong_fill),
            line={"color": colour, "width": frame.theme.line * 0.7, "shape": "hv"},
            hovertemplate="%{y} examples<extra></extra>",
        )
        mean_line(frame, row, float(item.mean()))
        spread = "st. dev." if narrow else "standard deviation"
        words = f"<b>{name}</b>   mean {rounded(item.mean())}, {spread} {rounded(item.std())}"
        frame.header(row, words, frame.theme.ink)
    frame.axis_note("value")
    alt = (
        f"Three histograms of unit {unit} on one axis, over {len(values)} examples: "
        + "; ".join(
            f"{name} has mean {rounded(item.mean())} and standard deviation {rounded(item.std())}"
            for name, item in shown.items()
        )
        + "."
    )
    return frame.plot(alt)
