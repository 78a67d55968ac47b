"""The quantiles of one layer of one arm over the training steps: bands around a median."""

from __future__ import annotations

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.palette import mixed
from bnviz.figures.frame.plot import compact
from bnviz.figures.frame.thinning import thin
from bnviz.recording.layer_inputs import QuantilePath


def quantile_bands(frame: Frame, panel: Panel, arm: ArmStyle, drawn: QuantilePath, name: str) -> None:
    """The bands from the outside in, then the median, whose hover text names all the quantiles. name: of the layer.

    A band is one closed curve, there and back: half as many traces as with two edges each, and a browser without a
    graphics card draws it in two thirds of the time.
    """
    pairs = len(drawn.values) // 2
    kept = thin(drawn.values[[0, pairs, -1]]) if drawn.steps.size else np.empty(0, int)
    steps, values = drawn.steps[kept], drawn.values[:, kept]
    shares = ("5–95 %", "15–85 %")[-pairs:]
    for index, share in enumerate(shares):
        frame.line(
            panel,
            np.concatenate([steps, steps[::-1]]),
            np.concatenate([values[-1 - index], values[index][::-1]]),
            name=f"{arm.letter}, {name}: {share}",
            legendgroup=arm.letter,
            line={"width": 0, "color": arm.colour},
            fill="toself",
            fillcolor=frame.theme.fill(arm.colour, strong=share == "15–85 %"),
            hoverinfo="skip",
        )
    middle = mixed(arm.colour, frame.theme.ink, frame.theme.lifted)
    edges = [
        f"{share}: %{{customdata[{2 * n}]:.3~g}} to %{{customdata[{2 * n + 1}]:.3~g}}"
        for n, share in enumerate(shares)
    ]
    frame.line(
        panel,
        steps,
        values[pairs],
        name=f"{arm.letter}, {name}: median",
        legendgroup=arm.letter,
        line={"color": middle, "width": frame.theme.line, "dash": arm.dash},
        customdata=compact(np.stack([values[row] for n in range(pairs) for row in (n, -1 - n)], axis=1)),
        hovertemplate="<br>".join(["median: %{y:.3~g}", *edges[::-1]]) + f"<extra>{arm.letter}</extra>",
    )
