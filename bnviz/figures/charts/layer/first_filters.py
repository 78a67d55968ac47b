"""The filters of the first convolution, and what they find in one example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.marks.squares import COLOURS, square_rows, squares, squares_frame
from bnviz.layer.first_layer import FirstLayer


@PlotFunction
def filters_and_maps(
    arms: Sequence[ArmStyle], shown: Sequence[FirstLayer], *, theme: str = "light", narrow: bool = False
) -> Plot:
    """Each arm's first filters, and below them what its nonlinearity receives from each for one held-out example.

    All filters of all arms are on one scale, all maps on another; both are symmetric about 0.

    Not to be mistaken for what training computes: with batch normalization the maps are of inference, by the running
    statistics.
    """
    colour = shown[0].filters.shape[1] == COLOURS
    example = shown[0]
    frame = squares_frame(
        f"First filters, and their maps of held-out example {example.example}: {example.name}",
        "Above: the weights of a 3×3 filter. Below: what the nonlinearity receives from it, in inference mode."
        + " For red, green and blue the filter is drawn three times, from left to right." * colour,
        2 * len(arms),
        theme,
        narrow,
        ("filters", example.example),
    )
    rows = square_rows(frame, 2 * len(arms), narrow)
    weights = max(largest(item.filters) for item in shown)
    values = max(largest(item.maps) for item in shown)
    parts = []
    for index, (arm, item) in enumerate(zip(arms, shown, strict=True)):
        count = len(item.filters)
        captions = [f"filter {number}" for number in range(1, count + 1)]
        above, below = rows[2 * index], rows[2 * index + 1]
        head = f"{arm.heading(False)}, step {item.step:,}: {count} of {item.features} filters"
        frame.header(above[0], head, arm.colour, yshift=17)
        frame.header(below[0], f"<b>{arm.letter}</b>, their maps", arm.colour, yshift=17)
        drawn = np.concatenate(list(np.moveaxis(item.filters, 1, 0)), axis=2)
        first = not index
        squares(frame, above, drawn, captions, f"{arm.label}, ", signed(frame, weights, "weight", 1.0), first)
        scale = signed(frame, values, "map", 0.48)
        squares(frame, below, item.maps, captions, f"{arm.label}, map of ", scale, first)
        parts.append(
            f"{arm.label} at step {item.step:,}: the largest weight is {rounded(largest(item.filters))}, the largest "
            f"value of a map {rounded(largest(item.maps))}, both without their sign"
        )
    return frame.plot(
        "Filters of the first layer, and the feature map of each for one held-out example of class "
        f"{example.name}. {'; '.join(parts)}."
    )


def signed(frame: Frame, reach: float, name: str, top: float) -> dict[str, Any]:
    """The colours from −reach to reach, and their scale beside the figure, from the height `top` of it down."""
    return {
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0.0, VERMILLION], [0.5, frame.theme.paper], [1.0, BLUE]],
        "colorbar": {
            "title": {"text": name},
            "thickness": 12,
            "len": 0.48,
            "y": top,
            "yanchor": "top",
            "tickfont": {"size": frame.size - 2},
        },
    }


def largest(values: Array) -> float:
    """The largest finite value without its sign, 1 where there is none but 0."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0)) or 1.0
