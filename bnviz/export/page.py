"""A figure as one HTML page that needs nothing else: plotly.js inside, no server, no network."""

from __future__ import annotations

import functools
from pathlib import Path

import plotly.graph_objects as go
import plotly.io
from markupsafe import Markup

from bnviz.export import plotly_js
from bnviz.export.metadata import comment, stamp_json
from bnviz.export.sheet import alt_text, font_style
from bnviz.export.stamp import Stamp
from bnviz.export.table_scripts import drawn_tables_script, table_style
from bnviz.export.templates import environment, markup

_TEMPLATES = environment(Path(__file__).with_name("templates"))


def figure_page(figure: go.Figure, stamp: Stamp, title: str, footer: bool) -> bytes:
    """The page with the figure, as `sheet.ready` made it, and below it, with `footer`, where it comes from."""
    page = _TEMPLATES.get_template("figure.html").render(
        comment=Markup(comment(stamp)),
        title=title,
        fonts=Markup(font_style()),
        plotly=_plotly(),
        alt=alt_text(figure),
        height=round(figure.layout.height or 450),
        footer=stamp.footer if footer else (),
        drawing=figure_json(figure),
        table_style=table_style(),
        tables=drawn_tables_script(),
        stamp=Markup(stamp_json(stamp)),
    )
    return page.encode()


def figure_json(figure: go.Figure) -> Markup:
    """The figure's JSON for a script element."""
    return script_json(plotly.io.to_json(figure, validate=False, engine="orjson"))


def script_json(text: str) -> Markup:
    """JSON for a script element, which it cannot end, as no "<" is left in it."""
    return Markup(text.replace("<", "\\u003c"))


@functools.cache
def _plotly() -> Markup:
    """plotly.js, some 4.7 million characters."""
    return Markup(markup(plotly_js.PATH).replace("</script", "<\\/script"))
