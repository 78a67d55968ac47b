"""The page that holds everything: style, script, plotly.js and data, and a rule that forbids any network.

plotly.js and the data are packed by gzip and base64; the browser unpacks them (DecompressionStream, which
Chromium has since 2020 and Firefox since 2023). The page's Content-Security-Policy names the two scripts by
their hashes, so that nothing else in the file can run, whatever a stranger's recording says.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from bnviz.export import plotly_js
from bnviz.export.handouts.animation import Slide
from bnviz.export.handouts.html import Html, tag
from bnviz.export.handouts.markdown import sentence
from bnviz.export.metadata import comment
from bnviz.export.stamp import Stamp, plain

_HERE = Path(__file__).parent
NEEDS_SCRIPT = (
    "The figures are drawn by a script in this file. It needs JavaScript and a browser from 2023 or later."
)


def page(title: str, body: Sequence[Html], data: Mapping[str, Any] | None, stamp: Stamp) -> str:
    """A whole HTML page. data: what the script is to know; None for a page without one."""
    scripts: list[str] = []
    parts: list[Html] = []
    if data is not None:
        script = (_HERE / "handout.js").read_text(encoding="utf-8")
        library, digest = _library()
        scripts = [_digest(script.encode()), digest]
        parts = [
            tag("script", Html(library), type="application/octet-stream", id="library"),
            tag("script", Html(packed(orjson.dumps(data))), type="application/octet-stream", id="data"),
            tag("script", Html(script)),
        ]
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content="bnviz"),
        tag("meta", name="color-scheme", content="light dark" if data is not None else "light"),
        tag("title", plain(title)),
        tag("style", Html((_HERE / "handout.css").read_text(encoding="utf-8"))),
    )
    told = Html("") if data is None else tag("noscript", tag("p", NEEDS_SCRIPT, class_="trouble"))
    kind = "lesson" if data is not None else "report"
    whole = tag("body", told, tag("main", *body), *parts, class_=kind)
    return f"<!DOCTYPE html>\n{comment(stamp)}\n" + tag("html", tag("head", *head), whole, lang="en")


def slide(item: Slide, place: int) -> Html:
    """Where the script draws a figure, with its text for those who do not see it, and what to look for."""
    asked = _asked(item, place) if len(item.choices) > 1 else Html("")
    canvas = tag(
        "div",
        class_="canvas",
        data_slide=str(place),
        role="img",
        aria_label=item.alt,
        style=f"min-height:{item.height}px",
    )
    return tag("figure", asked, canvas, tag("figcaption", sentence(item.caption)), data_name=item.name)


def _asked(item: Slide, place: int) -> Html:
    last = list(item.choices)[-1]
    options = [tag("option", label, value=label, selected=label == last) for label in item.choices]
    select = tag("select", *options, data_choice=str(place), autocomplete="off")
    return tag("label", f"{item.asked} ", select, class_="choice")


def bar(last: int, steps: int) -> Html:
    """The scrubber, always in reach: play, the slider, and the step. last: the number of the last frame."""
    return tag(
        "div",
        tag("button", "Play", type="button", class_="play"),
        tag(
            "input",
            type="range",
            min="0",
            max=str(last),
            value=str(last),
            step="1",
            class_="scrubber",
            autocomplete="off",
            aria_label="Training step",
        ),
        tag("output", f"step {steps:,}", class_="step"),
        class_="bar",
        role="group",
        aria_label="Move through the training",
    )


def provenance(stamp: Stamp) -> Html:
    """Where the numbers come from: in a line, a link, and, folded, in full."""
    link = stamp.link
    shown = Html("")
    if link.startswith(("https://", "http://")):
        shown = tag("p", tag("a", "Open it again in bnviz", href=link, rel="noopener noreferrer"))
    elif link:
        shown = tag("p", "Opens again in bnviz at ", tag("code", link))
    told = tag("summary", "Where these numbers come from, in full")
    full = tag("details", told, tag("ul", *(tag("li", line) for line in stamp.lines)))
    return tag("footer", tag("p", stamp.footer[0]), shown, full)


def rows(head: Sequence[str], body: Sequence[Sequence[str]], kind: str = "") -> Html:
    """A table whose first column names the rows. head: empty for a table that needs none."""
    top = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in head))) if head else Html("")
    written = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", text) for text in rest)) for first, *rest in body
    ]
    return tag("div", tag("table", top, tag("tbody", *written), class_=kind), class_="wide")


def packed(content: bytes) -> str:
    """Compressed, as text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


@functools.cache
def _library() -> tuple[str, str]:
    """plotly.js, packed, and its hash."""
    content = plotly_js.PATH.read_bytes()
    return packed(content), _digest(content)


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


def _policy(scripts: Sequence[str]) -> str:
    allowed = " ".join(f"'sha256-{digest}'" for digest in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
