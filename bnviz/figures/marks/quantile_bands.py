"""The quantiles of one layer of one arm over the training steps: bands around a median."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.axes import reach, rounded_up, usual
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import elapsed
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import mixed
from bnviz.figures.frame.plot import compact
from bnviz.figures.frame.tabled import UNTABLED, tabled
from bnviz.figures.frame.thinning import thin
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import QuantilePath
from bnviz.recording.nonlinearities import NONLINEARITIES

LEAST_REACH = 2.0
"""How far the axis reaches to either side of 0 at least."""


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
            **UNTABLED,
        )
    middle = mixed(arm.colour, frame.theme.ink, frame.theme.lifted)
    edges = [
        f"{share}: %{{customdata[{n}]:.3~g}} to %{{customdata[{2 * pairs - 1 - n}]:.3~g}}"
        for n, share in enumerate(shares)
    ]
    frame.line(
        panel,
        steps,
        values[pairs],
        name=f"{arm.letter}, {name}: median",
        legendgroup=arm.letter,
        line={"color": middle, "width": frame.theme.line, "dash": arm.dash},
        customdata=compact(np.delete(values, pairs, axis=0).T),  # from the lowest quantile to the highest
        hovertemplate="<br>".join(["median: %{y:.3~g}", *edges[::-1]]) + f"<extra>{arm.letter}</extra>",
        **tabled(
            panel=f"{arm.label}, {name}: quantiles of what it receives",
            name="median",
            more=[f"{edge} %" for edge in ("5", "15", "85", "95")[2 - pairs : 2 + pairs]],
            before=pairs,
        ),
    )


def bands_range(
    recordings: Sequence[Recording], paths: Mapping[tuple[int, int], QuantilePath], count: int
) -> tuple[float, float, dict[tuple[int, int], str]]:
    """The y range of all panels, and for each panel whose bands leave it a sentence that says so.

    paths: of each arm and each of `count` layers. What a band does for less than 2 % of the time shown does not widen
    the range.
    """
    if not any(item.steps.size for item in paths.values()):
        kind = NONLINEARITIES.get(recordings[0].activation())
        empty = LEAST_REACH if kind is None else kind.reach  # the nonlinearity's zones are in it
        return -empty, empty, {}
    whole = elapsed(recordings)
    below, above = [], []
    for a in range(len(recordings)):
        own = [paths[a, i] for i in range(count) if paths[a, i].steps.size]
        below.append(max((usual(item.steps, -item.values[0], whole) for item in own), default=0.0))
        above.append(max((usual(item.steps, item.values[-1], whole) for item in own), default=0.0))
    both = [max(pair) for pair in zip(below, above, strict=True)]
    limit = reach(both, 10.0)
    low = -rounded_up(1.06 * min(max(below), limit), LEAST_REACH)
    high = rounded_up(1.06 * min(max(above), limit), LEAST_REACH)
    leaving = {}
    for key, item in paths.items():
        if item.steps.size and (item.values[0].min() < low * 1.001 or item.values[-1].max() > high * 1.001):
            outside = np.maximum(-item.values[0] / -low, item.values[-1] / high)
            worst = int(outside.argmax())
            extreme = max(item.values[0][worst], item.values[-1][worst], key=abs)
            leaving[key] = f"beyond the frame: {short(extreme)} at step {item.steps[worst]:,}"
    return low, high, leaving
