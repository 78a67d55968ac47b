"""A figure as one HTML page that needs nothing else: plotly.js inside, no server, no network."""

from __future__ import annotations

import functools
import html
import string

import plotly.graph_objects as go
import plotly.io

from bnviz.export import plotly_js
from bnviz.export.metadata import comment, stamp_json
from bnviz.export.sheet import alt_text, font_style
from bnviz.export.stamp import Stamp

_PAGE = string.Template("""<!doctype html>
$comment
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="bnviz">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:; font-src data:">
<title>$title</title>
<style>$fonts
body { margin: 0 auto; padding: 1rem; max-width: 1100px; font: 0.9rem/1.5 Inter, sans-serif; }
body { color: #000; background: #fff; }
footer { color: #444; overflow-wrap: anywhere; }
footer p { margin: 0; }
</style>
<script>$plotly</script>
</head>
<body>
<div id="figure" role="img" aria-label="$alt" style="height: ${height}px"></div>
$footer
<script id="drawing" type="application/json">$drawing</script>
<script id="bnviz" type="application/json">$stamp</script>
<script>
const { data, layout } = JSON.parse(document.getElementById("drawing").textContent);
const shape = { ...layout, width: undefined, autosize: true };
Plotly.newPlot("figure", data, shape, { responsive: true, displaylogo: false });
</script>
</body>
</html>
""")


def figure_page(figure: go.Figure, stamp: Stamp, title: str, footer: bool) -> bytes:
    """The page with the figure, as `sheet.ready` made it, and below it, with `footer`, where it comes from."""
    lines = [_line(line) for line in stamp.footer] if footer else []
    drawing: str = plotly.io.to_json(figure, validate=False, engine="orjson")
    return _PAGE.substitute(
        comment=comment(stamp),
        title=html.escape(title),
        fonts=font_style(),
        plotly=_plotly(),
        alt=html.escape(alt_text(figure)),
        height=round(figure.layout.height or 450),
        footer="<footer>" + "".join(f"<p>{line}</p>" for line in lines) + "</footer>" if lines else "",
        drawing=inside_script(drawing),
        stamp=stamp_json(stamp),
    ).encode()


def inside_script(text: str) -> str:
    """JSON that ends no script element it stands in."""
    return text.replace("<", "\\u003c")


def _line(text: str) -> str:
    """A line of the footer as HTML, an address as a link."""
    shown = html.escape(text)
    link = text.startswith(("http://", "https://"))
    return f'<a href="{shown}" rel="noopener noreferrer">{shown}</a>' if link else shown


@functools.cache
def _plotly() -> str:
    """plotly.js, some 4.7 million characters."""
    return plotly_js.PATH.read_text(encoding="utf-8").replace("</script", "<\\/script")
