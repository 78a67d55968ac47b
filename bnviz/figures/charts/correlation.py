"""How the units of a layer vary together: their correlation matrix, before the normalizer and after it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.lines import over_two_lines
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.recording.statistics import mean_correlation


@PlotFunction
def correlation(
    matrices: Mapping[str, Array], *, title: str, subtitle: str, theme: str = "light", narrow: bool = False
) -> Plot:
    """One square for each heading. matrices: (F, F), from −1 to 1, or (0, 0) before there is one.

    Blue is positive, vermillion negative; the background is zero.

    From what a lab's inspection found. Not to be mistaken for the covariance: units of any variance count alike. Nor is
    no correlation independence.
    """
    columns = 2 if narrow else len(matrices)
    rows = -(-len(matrices) // columns)
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=150 + 210 * rows if narrow else 420,
        view=("correlation", title),
        head=44,
        right=78,
    )
    units = max((len(matrix) for matrix in matrices.values()), default=0) or 1
    axis = {
        "range": [0.5, units + 0.5],
        "showgrid": False,
        "tickmode": "array",
        "tickvals": [1, units],
        "constrain": "domain",
    }
    y_axis = axis | {"range": [units + 0.5, 0.5], "title": {"text": "unit"}}
    grid = frame.panels(rows, columns, axis, y_axis, gap_x=0.03, gap_y=52)
    places = [panel for row in grid for panel in row]
    for panel, (heading, matrix) in zip(places, matrices.items(), strict=False):
        frame.header(panel, f"<b>{over_two_lines(heading)}</b>", frame.theme.ink, crowded=columns > 3)
        frame.axis(panel.y)["scaleanchor"] = panel.x
        if not matrix.size:
            continue
        frame.curves.append(
            {
                "type": "heatmap",
                "z": matrix.astype(np.float32),
                "x0": 1,
                "dx": 1,
                "y0": 1,
                "dy": 1,
                "xaxis": panel.x,
                "yaxis": panel.y,
                "zmin": -1,
                "zmax": 1,
                "colorscale": [[0, VERMILLION], [0.5, frame.theme.paper], [1, BLUE]],
                "showscale": panel is places[0],
                "colorbar": {
                    "thickness": 10,
                    "len": 0.9,
                    "outlinewidth": 0,
                    "tickvals": [-1, 0, 1],
                    "title": {"text": "correlation", "side": "right", "font": {"size": frame.size - 2}},
                },
                "hovertemplate": "unit %{y} and unit %{x}: %{z:.2~g}<extra></extra>",
            }
        )
    frame.axis_note("unit")
    frame.layout["hovermode"] = "closest"
    if not any(matrix.size for matrix in matrices.values()):
        frame.place_for_words(None, "The matrices appear here when all networks are trained.")
    return frame.plot(_alt(matrices, title))


def _alt(matrices: Mapping[str, Array], title: str) -> str:
    parts = [
        f"{heading}: {short(mean_correlation(matrix))}"
        if np.isfinite(matrix).any()
        else f"{heading}: nothing yet"
        for heading, matrix in matrices.items()
    ]
    return f"{title}. Mean absolute correlation of two different units. " + "; ".join(parts) + "."
