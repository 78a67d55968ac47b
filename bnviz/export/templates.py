"""HTML from Jinja templates. Every value is escaped, unless it is a markupsafe.Markup.

A recording may come from a stranger, so whatever it says is text. Only our own files (style, script, plotly.js), and
what markdown-it, latex2mathml and Plotly wrote, are Markup. A name that a template uses and nobody gives is an error.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def environment(*folders: Path) -> Environment:
    """Templates from these folders, which import one another. Lines with a statement alone leave no trace."""
    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["grouped"] = "{:,}".format
    return made


def markup(path: Path) -> Markup:
    """The content of one of our own files."""
    return Markup(path.read_text(encoding="utf-8"))
