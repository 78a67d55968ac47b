"""Several figures as files in one folder, drawn by one browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from bnviz.export.browser import Chrome, ChromeError
from bnviz.export.figure import export_figure
from bnviz.export.kinds import KINDS
from bnviz.export.stamp import Stamp

WRITTEN = ("html", "svg", "png")


def write_figures(
    figures: Mapping[str, tuple[go.Figure, go.Figure]], folder: Path, stamp: Stamp
) -> str | None:
    """Write <name>.html, .svg and .png of every figure. Returns a sentence if SVG and PNG could not be drawn.

    figures: by name, each in the theme "print", wide and narrow: SVG is laid out for a printed column.
    """
    trouble: ChromeError | None = None
    with Chrome() as chrome:
        for name, (wide, narrow) in figures.items():
            for kind in map(KINDS.__getitem__, WRITTEN):
                if kind.drawn and trouble:
                    continue
                try:
                    content = export_figure(narrow if kind.column else wide, kind.name, stamp, chrome=chrome)
                except ChromeError as error:
                    trouble = error
                    continue
                (folder / f"{name}.{kind.format}").write_bytes(content)
    if trouble is None:
        return None
    return f"The figures are there as HTML, but not as SVG and PNG. {trouble}"
