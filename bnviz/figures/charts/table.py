"""A table as a figure, so that it is shown, themed and exported like every other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.plot import Plot, PlotFunction

ROW_HEIGHT = 30
"""Pixels at the usual size of type."""
MARGIN = 10
WRAPPED = 0.7
"""The share of its length that an entry needs where it may go over two lines: where rows are high enough for them."""


def _kept_together(entry: str) -> str:
    """The entry with no line break between a number and its unit, as in "72.2 %"."""
    return re.sub(r"(?<=\d) (?=\S+$)", "\N{NO-BREAK SPACE}", entry)


def _width(column: Sequence[str], wraps: bool) -> int:
    """The share of the width that a column needs: its longest word is not broken, its longest entry only if it `wraps`.

    And a little around it.
    """
    longest_word = max((len(word) for entry in column for word in entry.split(" ")), default=0)
    longest = max(map(len, column))
    return max(longest_word, round(WRAPPED * longest) if wraps else longest) + 3


@PlotFunction
def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str,
    subtitle: str,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Text in rows and columns; the first column is the row's name. Every row has an entry for each column.

    From texts that the caller wrote: numbers in them are rounded already. Not to be mistaken for the exported table,
    which has them in full.
    """

    def framed(height: int) -> Frame:
        return Frame(
            title,
            subtitle,
            theme=theme,
            narrow=narrow,
            height=height,
            view=("table", title),
            left=10,
            right=10,
        )

    drawn = [tuple(map(_kept_together, cells)) for cells in (columns, *rows)]
    trial = framed(1000)  # to learn how high the title is, and how the theme scales heights
    wraps = narrow or trial.theme.large
    row = ROW_HEIGHT * trial.theme.size / 13 * (1.6 if narrow else 1.35 if trial.theme.large else 1)
    frame = framed(round((trial.top + row * (len(rows) + 1) + MARGIN + 4) * 1000 / trial.height))
    frame.layout["margin"] |= {"l": MARGIN, "r": MARGIN, "b": MARGIN}
    clear = "rgba(0,0,0,0)"
    cells = {
        "align": ["left"] + ["right"] * (len(columns) - 1),
        "fill": {"color": clear},
        "height": row,
        "line": {"color": frame.theme.grid, "width": 1},
    }
    frame.curves.append(
        {
            "type": "table",
            "columnwidth": [_width(column, wraps) for column in zip(*drawn, strict=True)],
            "header": cells
            | {
                "values": list(drawn[0]),
                "font": {"size": frame.size_where_crowded - 1, "color": frame.theme.quiet},
            },
            "cells": cells
            | {
                "values": [list(column) for column in zip(*drawn[1:], strict=True)],
                "font": {"size": frame.size_where_crowded - (2 if narrow else 0), "color": frame.theme.ink},
            },
        }
    )
    told = "; ".join(
        f"{cells[0]}: "
        + ", ".join(f"{name} {cell}" for name, cell in zip(columns[1:], cells[1:], strict=True))
        for cells in rows
    )
    return frame.plot(f"{title}. {told}.")
