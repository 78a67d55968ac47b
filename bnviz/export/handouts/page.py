"""The page that holds everything: style, script, plotly.js and data, and a rule that forbids any network.

plotly.js and the data are compressed by gzip and written in base64; the browser decompresses them
(DecompressionStream, which Chromium has since 2020 and Firefox since 2023). The page's Content-Security-Policy names
the two scripts by their hashes, so that nothing else in the file can run, whatever a stranger's recording says.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment
from markupsafe import Markup

from bnviz.export import plotly_js
from bnviz.export.handouts import markdown
from bnviz.export.metadata import comment
from bnviz.export.stamp import Stamp, plain
from bnviz.export.table_scripts import drawn_tables_script, table_script, table_style
from bnviz.export.templates import environment, markup
from bnviz.labs.verdicts import Measure, Verdict

_HERE = Path(__file__).parent
NOTHING = Markup("")


@dataclass(frozen=True)
class Around:
    """What a page has besides that is one of many on a web site.

    root: the way to the folder that holds `shared_files`. navigation: above the page's own content. link: opens the
    same in bnviz, from the first `/` of the address on; commands: train it again. frames: the most at which the
    scrubber stops; stop: a step at which it does.
    """

    root: str
    navigation: Markup
    link: str = ""
    commands: tuple[str, ...] = ()
    frames: int = 30
    stop: int | None = None


LIBRARY, SCRIPT, STYLE = "plotly.min.js", "handout.js", "handout.css"
"""The names of what the pages of a web site share."""


def shared_files() -> dict[str, bytes]:
    """The files that pages of a web site share, by their names."""
    return {
        LIBRARY: plotly_js.PATH.read_bytes(),
        SCRIPT: _script().encode(),
        STYLE: _style().encode(),
    }


def page(
    template: str,
    title: str,
    data: Mapping[str, Any] | None,
    stamp: Stamp,
    *,
    tabled: bool = False,
    around: Around | None = None,
    more: Markup = NOTHING,
    **values: Any,
) -> str:
    """A whole HTML page.

    template: a file in templates/, which takes `values`. data: what the script is to know, as `page_data` makes it;
    None for a page whose figures are drawn already. tabled: whether such a page holds its figures' JSON, for tables.
    around: None for a page that stands alone. more: a script that runs after the page's own.
    """
    script = _script()
    library, digest = _library()
    tables = drawn_tables_script() if tabled else Markup("")
    scripts = [] if data is None or around is not None else [_digest(script.encode()), digest]
    scripts += [_digest(text.encode()) for text in (tables, more) if text]
    return (
        _templates()
        .get_template(template)
        .render(
            values,
            comment=Markup(comment(stamp)),
            policy=_policy(scripts, shared=around is not None),
            around=around,
            title=plain(title),
            style=_style(),
            files={"library": LIBRARY, "script": SCRIPT, "style": STYLE},
            script=script,
            tables=tables,
            more=more,
            library=library,
            data="" if data is None else compressed(orjson.dumps(data)),
            stamp=stamp,
        )
    )


def compressed(content: bytes) -> str:
    """Compressed by gzip, in base64."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def number(value: float) -> str:
    """A measured number as text: "never" for what was not reached, a dash for what is not known."""
    if value != value:
        return "–"
    return f"{value:,.4g}".replace("-", "−") if abs(value) != float("inf") else "never"


def measured(verdict: Verdict) -> list[list[str]]:
    """Every number that a verdict rests on, as rows: words, median and, for several seeds, the spread."""
    return [
        [item.words, number(item.median), *([_spread(item)] if verdict.seeds > 1 else [])]
        for item in verdict.measured.values()
    ]


def _spread(item: Measure) -> str:
    low, high = item.spread
    return f"{number(low)} to {number(high)}"


def mark(holds: bool | None) -> str:
    """A sign for yes, no, and not known."""
    return {True: "✓", False: "✗", None: "?"}[holds]


@functools.cache
def _templates() -> Environment:
    made = environment(_HERE / "templates")
    made.filters |= {
        "paragraphs": markdown.paragraphs,
        "line": markdown.line,
        "mark": mark,
        "measured": measured,
    }
    return made


@functools.cache
def _script() -> Markup:
    """The page's script: handout.js, and below it the modules that pages of the app import."""
    return Markup("\n").join([markup(_HERE / "handout.js"), table_script()])


def _style() -> Markup:
    return table_style() + markup(_HERE / "handout.css")


@functools.cache
def _library() -> tuple[str, str]:
    """plotly.js, compressed, and its hash."""
    content = plotly_js.PATH.read_bytes()
    return compressed(content), _digest(content)


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


def _policy(scripts: Sequence[str], shared: bool = False) -> str:
    """shared: whether scripts and style stand in files beside the page; a page opened from a folder has no origin."""
    beside = " 'self' file:" if shared else ""
    allowed = " ".join(f"'sha256-{digest}'" for digest in scripts) + beside or "'none'"
    return (
        f"default-src 'none'; script-src {allowed.strip()}; style-src 'unsafe-inline'{beside}; img-src data: blob:; "
        "font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
