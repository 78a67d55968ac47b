"""One figure as the content of one file of any kind."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io

from bnviz.export import metadata
from bnviz.export.browser import Chrome
from bnviz.export.kinds import kind_named
from bnviz.export.numbers import as_csv, as_parquet, drawn_numbers
from bnviz.export.page import figure_page
from bnviz.export.sheet import alt_text, font_style, ready, title_text
from bnviz.export.stamp import Stamp


def export_figure(
    figure: go.Figure, kind: str, stamp: Stamp, *, footer: bool = True, chrome: Chrome | None = None
) -> bytes:
    """The figure as the content of a file.

    kind: one of KINDS. Build the figure with theme="print", and for a Kind with `column` also narrow=True.
    footer: whether the Stamp's footer stands below the figure. chrome: draws png, svg and pdf; without it, a browser
    is started for this figure alone. csv and parquet hold the points as drawn; `export_numbers` writes the numbers
    of recordings. Raises ValueError for another kind, and ChromeError and ChromeBusyError.
    """
    chosen = kind_named(kind)
    if chosen.format in ("csv", "parquet"):
        return export_numbers(drawn_numbers(figure), kind, stamp)
    if chosen.format == "html":
        return figure_page(ready(figure, chosen, None), stamp, title_text(figure), footer)
    if chrome is None:
        with Chrome() as own:
            return export_figure(figure, kind, stamp, footer=footer, chrome=own)
    picture = chrome.draw(ready(figure, chosen, stamp if footer else None), chosen)
    alt = alt_text(figure)
    if chosen.format == "png":
        return metadata.stamped_png(picture, chosen, stamp, alt)
    if chosen.format == "svg":
        return metadata.stamped_svg(picture, chosen, stamp, alt)
    return metadata.stamped_pdf(picture, stamp, title_text(figure), alt)


def export_numbers(table: pd.DataFrame, kind: str, stamp: Stamp) -> bytes:
    """A table as the content of a csv or parquet file. Raises ValueError for another kind."""
    writers = {"csv": as_csv, "parquet": as_parquet}
    if kind not in writers:
        raise ValueError(f"kind = {kind[:40]!r} is not allowed; allowed is one of {', '.join(writers)}")
    return writers[kind](table, stamp)


def browser_drawing(figure: go.Figure, kind: str, stamp: Stamp, *, footer: bool = True) -> dict[str, Any]:
    """What a reader's browser needs to draw a png or svg itself, ready for JSON. The figure is JSON text already."""
    chosen = kind_named(kind)
    sheet = ready(figure, chosen, stamp if footer else None)
    alt = alt_text(figure)
    return {
        "figure": plotly.io.to_json(sheet, validate=False, engine="orjson"),
        "options": {"width": sheet.layout.width, "height": sheet.layout.height, "scale": chosen.scale},
        "fonts": font_style(),
        "comment": metadata.comment(stamp),
        "texts": metadata.png_texts(stamp, alt),
    }
