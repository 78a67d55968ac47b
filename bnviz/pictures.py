"""Figures as files: HTML that works offline and, where a Chrome is found to draw them, SVG and PNG."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

WIDTH = 1100
SHARPNESS = 2
"""Pixels of a PNG for each pixel of the figure."""


def write_figures(figures: Mapping[str, go.Figure], folder: Path) -> str | None:
    """Write <name>.html, .svg and .png of every figure. Returns a sentence if some could not be written.

    The pages share one plotly.min.js beside them.
    """
    opaque = {name: _opaque(figure) for name, figure in figures.items()}
    for name, figure in opaque.items():
        figure.write_html(folder / f"{name}.html", include_plotlyjs="directory", validate=False)
    return asyncio.run(_draw(opaque, folder))


def _opaque(figure: go.Figure) -> go.Figure:
    """On white, as a file may be looked at on any background."""
    layout = {**figure.layout.to_plotly_json(), "paper_bgcolor": "#FFFFFF"}
    return go.Figure({"data": list(figure.data), "layout": layout}, _validate=False)


async def _draw(figures: Mapping[str, go.Figure], folder: Path) -> str | None:
    """SVG and PNG, all by one browser, which is started for them and ended."""
    from choreographer.errors import BrowserFailedError, ChromeNotFoundError
    from kaleido import Kaleido, PageGenerator

    try:
        # Without MathJax, which would be fetched from the network and which no figure needs.
        async with Kaleido(page_generator=PageGenerator(mathjax=False)) as browser:
            for name, figure in figures.items():
                for kind, scale in (("svg", 1), ("png", SHARPNESS)):
                    options = {"format": kind, "width": WIDTH, "height": figure.layout.height, "scale": scale}
                    await browser.write_fig(figure, path=folder / f"{name}.{kind}", opts=options)
    except ChromeNotFoundError:
        return "No Chrome or Chromium was found: the figures are there as HTML, but not as SVG and PNG."
    except BrowserFailedError:
        return "Chrome could not be started: the figures are there as HTML, but not as SVG and PNG."
    return None
