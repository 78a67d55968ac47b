"""Small pictures in rows, as squares whose colours say a number: images, filters, feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.plot import Array
from bnviz.figures.frame.tabled import tabled

COLUMNS, NARROW_COLUMNS = 8, 4
COLOURS = 3
"""The channels of an image in colour."""


def squares_frame(
    title: str, subtitle: str, groups: int, theme: str, narrow: bool, view: tuple[object, ...]
) -> Frame:
    """A figure of rows of small squares. groups: the rows; on a phone each takes two."""
    height = 130 + groups * (2 * 108 if narrow else 128)
    frame = Frame(
        title, subtitle, theme=theme, narrow=narrow, height=height, view=view, head=40, left=24, right=84
    )
    frame.bottom = frame.layout["margin"]["b"] = 8
    frame.layout["hovermode"] = "closest"
    return frame


def square_rows(frame: Frame, groups: int, narrow: bool) -> list[list[Panel]]:
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


def squares(
    frame: Frame,
    panels: Sequence[Panel],
    pictures: Array,
    captions: Sequence[str],
    before: str,
    scale: dict[str, Any],
    first: bool,
    notes: Sequence[str] = (),
) -> None:
    """Pictures (n, height, width) as coloured squares, the first row at the top; the first of all brings the scale.

    notes: what the hover text and the table add to each caption.
    """
    added = notes or [""] * len(captions)
    for index, (picture, caption, note) in enumerate(zip(pictures, captions, added, strict=True)):
        panel = panels[index]
        frame.curves.append(
            {
                "type": "heatmap",
                "z": picture[::-1].astype(np.float32),
                "xaxis": panel.x,
                "yaxis": panel.y,
                "showscale": False,
                "hovertemplate": f"%{{z:.3~g}}{'<br>' * bool(note)}{note}<extra></extra>",
            }
            | scale
            | ({"showscale": first and not index} if "colorbar" in scale else {})
            | tabled(panel=before + caption + ", " * bool(note) + note)
        )
        frame.panel_note(panel, caption, yanchor="bottom", yshift=1)
