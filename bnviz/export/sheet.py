"""A figure made ready for a file: on white, with an embedded typeface, and a footer on its provenance."""

from __future__ import annotations

import base64
import functools
import re
import textwrap
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from bnviz.export.kinds import Kind
from bnviz.export.stamp import Stamp
from bnviz.figures.frame.theme import TYPEFACE, theme_named

TYPEFACE_NAME = "Inter"
FOOTER_SIZE = 10
"""CSS pixels: six and a half points where the figure is printed in a column."""

_FONTS = Path(__file__).parent / "fonts"
_LINE = 14  # from one line of the footer to the next
_CHARACTER = 5.4  # the width of a character of the footer, on average with a little to spare
_EDGE = 10


def ready(figure: go.Figure, kind: Kind, stamp: Stamp | None) -> go.Figure:
    """A copy of the figure for a file of this kind. With a Stamp it is taller, and the footer stands below."""
    layout: dict[str, Any] = figure.layout.to_plotly_json()
    theme = theme_named("print")
    font = layout.get("font", {}) | {"family": f"{TYPEFACE_NAME}, {TYPEFACE}"}
    layout |= {"paper_bgcolor": theme.paper, "width": kind.width, "autosize": False, "font": font}
    lines = footer_lines(stamp, kind) if stamp else []
    if lines:
        height, margin = float(layout.get("height") or 450), dict(layout.get("margin") or {})
        below = _LINE * len(lines) + 6
        bottom = margin.get("b", 80) + below
        title = dict(layout.get("title") or {})
        if title.get("yref") == "container":  # it keeps its distance to the upper edge
            title["y"] = 1 - (1 - title["y"]) * height / (height + below)
        note = {
            "text": "<br>".join(escaped(line) for line in lines),
            "showarrow": False,
            "align": "left",
            "font": {"size": FOOTER_SIZE, "color": theme.quiet},
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "xshift": _EDGE - margin.get("l", 80),
            "y": 0,
            "yref": "paper",
            "yanchor": "bottom",
            "yshift": 5 - bottom,
        }
        layout |= {
            "height": height + below,
            "margin": margin | {"b": bottom},
            "title": title,
            "annotations": [*layout.get("annotations", ()), note],
        }
    return go.Figure({"data": list(figure.data), "layout": layout}, _validate=False)


def footer_lines(stamp: Stamp, kind: Kind) -> list[str]:
    """The footer, wrapped to the figure's width."""
    characters = int((kind.width - 2 * _EDGE) / _CHARACTER)
    broken = [part for line in stamp.footer for part in textwrap.wrap(line, characters)]
    return [part.removeprefix("· ").removesuffix(" ·") for part in broken]


def alt_text(figure: go.Figure) -> str:
    """The figure's description for those who do not see it."""
    meta = figure.layout.meta
    return str(meta.get("alt", "")) if isinstance(meta, dict) else ""


def title_text(figure: go.Figure) -> str:
    """The first line of the figure's title, without markup."""
    text = str(figure.layout.title.text or "bnviz").split("<br><span")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def escaped(text: str) -> str:
    """The text as Plotly shows it: Plotly would take tags in it for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@functools.cache
def font_style() -> str:
    """The typeface as CSS, embedded."""
    return "".join(
        f"@font-face{{font-family:{TYPEFACE_NAME};font-weight:{weight};"
        f"src:url(data:font/woff2;base64,{base64.b64encode((_FONTS / name).read_bytes()).decode()})}}"
        for weight, name in (("normal", "Inter-Regular.woff2"), ("bold", "Inter-Bold.woff2"))
    )
