"""The first convolution: the images that enter, its filters, and what they find in one example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.numbers import rounded
from bnviz.figures.frame.palette import BLUE, VERMILLION
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.tabled import tabled
from bnviz.layer.first_layer import FirstLayer

COLUMNS, NARROW_COLUMNS = 8, 4
COLOURS = 3
OF_COLOURS = " Of an image in colour: the mean of its three channels."


@PlotFunction
def entering(
    arms: Sequence[ArmStyle], shown: Sequence[FirstLayer], *, theme: str = "light", narrow: bool = False
) -> Plot:
    """The first images of each arm's next mini-batch as the network sees them, all on one scale from black to white.

    Not to be mistaken for the files' images: they are augmented and standardized where the experiment says so.
    """
    colour = shown[0].batch.shape[1] == COLOURS
    frame = _frame(
        "Images as they enter",
        "The first images of the mini-batch that the next update would use, as the network sees them."
        + OF_COLOURS * colour,
        len(arms),
        theme,
        narrow,
        ("entering",),
    )
    rows = _rows(frame, len(arms), narrow)
    pictures = [item.batch.mean(1) for item in shown]
    low, high = min(item.min() for item in pictures), max(item.max() for item in pictures)
    scale = {"zmin": float(low), "zmax": float(high), "colorscale": [[0.0, "#000000"], [1.0, "#FFFFFF"]]}
    for arm, item, own, panels in zip(arms, shown, pictures, rows, strict=True):
        frame.header(panels[0], f"{arm.heading(False)}, step {item.step:,}", arm.colour, yshift=17)
        captions = [f"{number}: {name}" for number, name in enumerate(item.batch_names, start=1)]
        _squares(frame, panels, own, captions, f"{arm.label}, image ", scale, first=item is shown[0])
    said = "; ".join(
        f"{arm.label} at step {item.step:,}: {', '.join(item.batch_names)}"
        for arm, item in zip(arms, shown, strict=True)
    )
    return frame.plot(
        f"Images of the next mini-batch, from {rounded(low)}, black, to {rounded(high)}, white. {said}."
    )


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
    frame = _frame(
        f"First filters, and their maps of held-out example {example.example}: {example.name}",
        "Above: the weights of a 3×3 filter. Below: what the nonlinearity receives from it, in inference mode."
        + " For red, green and blue the filter is drawn three times, from left to right." * colour,
        2 * len(arms),
        theme,
        narrow,
        ("filters", example.example),
    )
    rows = _rows(frame, 2 * len(arms), narrow)
    weights = max(_largest(item.filters) for item in shown)
    values = max(_largest(item.maps) for item in shown)
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
        _squares(frame, above, drawn, captions, f"{arm.label}, ", _signed(frame, weights, "weight"), first)
        scale = _signed(frame, values, "map")
        _squares(frame, below, item.maps, captions, f"{arm.label}, map of ", scale, first)
        parts.append(
            f"{arm.label} at step {item.step:,}: the largest weight is {rounded(_largest(item.filters))}, the largest "
            f"value of a map {rounded(_largest(item.maps))}, both without their sign"
        )
    return frame.plot(
        "Filters of the first layer, and the feature map of each for one held-out example of class "
        f"{example.name}. {'; '.join(parts)}."
    )


def _frame(
    title: str, subtitle: str, groups: int, theme: str, narrow: bool, view: tuple[object, ...]
) -> Frame:
    height = 130 + groups * (2 * 108 if narrow else 128)
    frame = Frame(
        title, subtitle, theme=theme, narrow=narrow, height=height, view=view, head=40, left=24, right=84
    )
    frame.bottom = frame.layout["margin"]["b"] = 8
    frame.layout["hovermode"] = "closest"
    return frame


def _rows(frame: Frame, groups: int, narrow: bool) -> list[list[Panel]]:
    """The panels of each group: one row, on a phone two."""
    columns = NARROW_COLUMNS if narrow else COLUMNS
    each = COLUMNS // columns
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, "constrain": "domain"}
    axis |= {"showticklabels": False, "ticks": "", "showline": True, "mirror": True}
    axis |= {"linecolor": frame.theme.quiet, "linewidth": 1}
    grid = frame.panels(each * groups, columns, axis, axis, gap_x=0.02, gap_y=38)
    rows = [
        [panel for row in grid[each * group : each * (group + 1)] for panel in row] for group in range(groups)
    ]
    for panel in (panel for row in rows for panel in row):
        # Filters and maps differ in size: no panel shares its ranges with another.
        for letter, name in (("x", panel.x), ("y", panel.y)):
            own = frame.layout[f"{letter}axis{name[1:]}"]
            own.pop("matches", None)
            own.pop("range", None)
            own["showticklabels"] = False
        frame.layout[f"yaxis{panel.y[1:]}"]["scaleanchor"] = panel.x
    return rows


def _squares(
    frame: Frame,
    panels: Sequence[Panel],
    pictures: Array,
    captions: Sequence[str],
    before: str,
    scale: dict[str, Any],
    first: bool,
) -> None:
    """Pictures (n, height, width) as coloured squares, the first row at the top; the first of all brings the scale."""
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        panel = panels[index]
        frame.curves.append(
            {
                "type": "heatmap",
                "z": picture[::-1].astype(np.float32),
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showscale": False,
                "hovertemplate": "%{z:.3~g}<extra></extra>",
            }
            | scale
            | ({"showscale": first and not index} if "colorbar" in scale else {})
            | tabled(panel=before + caption)
        )
        frame.panel_note(panel, caption, yanchor="bottom", yshift=1)


def _signed(frame: Frame, reach: float, name: str) -> dict[str, Any]:
    """The colours from −reach to reach, and their scale beside the figure: of weights at the top, of maps below."""
    above = name == "weight"
    return {
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0.0, VERMILLION], [0.5, frame.theme.paper], [1.0, BLUE]],
        "colorbar": {
            "title": {"text": name},
            "thickness": 12,
            "len": 0.48,
            "y": 1 if above else 0.48,
            "yanchor": "top",
            "tickfont": {"size": frame.size - 2},
        },
    }


def _largest(values: Array) -> float:
    """The largest finite value without its sign, 1 where there is none but 0."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0)) or 1.0
