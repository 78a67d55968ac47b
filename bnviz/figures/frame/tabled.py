"""What a trace is called in the figure's table, which `export/figure_table.js` makes in the reader's browser.

A trace says so in its `meta`, which Plotly leaves to us. A trace without it is a column: its name, its y by its x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNTABLED = {"meta": {"table": False}}
"""Properties of a trace that has no numbers of its own: a reference line, an edge whose numbers another trace has."""


def tabled(
    *,
    panel: str = "",
    name: str = "",
    more: Sequence[str] = (),
    before: int = 0,
    said: Sequence[str | None] = (),
    note: str = "",
    points: bool = False,
    pieces: bool = False,
    largest: float = 1.0,
) -> dict[str, Any]:
    """Properties of a trace.

    panel: the caption of its table; "" for the heading of its panel. name: of its column; "" for the trace's own name.
    more: the names of the columns of its customdata; `before` of them stand before its own. said: for each point the
    words that stand in place of its y, None for y itself. note: a sentence below the heading, in place of a column.
    points: every point is a row. pieces: each piece between two gaps is a column. largest: the value of a heatmap that
    stands for 1.
    """
    given: dict[str, Any] = {
        "panel": panel,
        "name": name,
        "more": list(more),
        "before": before,
        "said": list(said),
        "note": note,
        "points": points,
        "pieces": pieces,
        "largest": largest,
    }
    usual: dict[str, Any] = {"before": 0, "points": False, "pieces": False, "largest": 1.0}
    return {
        "meta": {"table": {key: value for key, value in given.items() if value and value != usual.get(key)}}
    }
