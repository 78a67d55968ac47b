"""The page of a class: one small HTML document, the same for students, the teacher and the projector.

It is no Streamlit page, on purpose: each Streamlit page is a session with a script of its own, while a hundred phones
that only fetch what is new cost a laptop next to nothing. bnviz/ui/static/class.js fills the page.
"""

from __future__ import annotations

import html

from bnviz.web import assets

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only scripts of this server run. plotly.js needs the rest: it sets styles in the page and makes images of blobs."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def page(base: str, code: str) -> str:
    """The HTML. base: where the routes are. code: the class's code as `read_code` returns it."""
    links = {
        name: html.escape(assets.url(base, name))
        for name in ("class.js", "class.css", "live.css", "projector.css", "plotly.min.js")
    }
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Class · bnviz</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{links["live.css"]}">
<link rel="stylesheet" href="{links["projector.css"]}">
<link rel="stylesheet" href="{links["class.css"]}">
<script type="module" src="{links["class.js"]}"></script>
</head>
<body data-base="{html.escape(base)}" data-code="{html.escape(code)}" data-plotly="{links["plotly.min.js"]}">
<main><p class="bnviz-quiet">Opening the class …</p></main>
<noscript>This page shows networks in training and needs JavaScript.</noscript>
</body>
</html>
"""
