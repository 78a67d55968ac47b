"""Markdown with formulas between dollar signs, as HTML with MathML: legible without a script or a network."""

from __future__ import annotations

import functools
import re

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markupsafe import Markup

_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$]+?)\$", re.DOTALL)
_MARK = "\ue000"  # for private use: Markdown leaves it alone
_PLACE = re.compile(rf"{_MARK}(\d+){_MARK}")


def paragraphs(markdown: str) -> Markup:
    """Paragraphs and lists. HTML in the Markdown becomes text."""
    return _rendered(markdown, inline=False)


def line(markdown: str) -> Markup:
    """A line of text without a paragraph around it. HTML in the Markdown becomes text."""
    return _rendered(markdown, inline=True)


def _rendered(markdown: str, inline: bool) -> Markup:
    formulas: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        display = found["display"]
        formulas.append(_mathml(display or found["inline"], "block" if display else "inline"))
        return f"{_MARK}{len(formulas) - 1}{_MARK}"

    text = _FORMULA.sub(set_aside, markdown.replace(_MARK, "").strip())
    parser = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink"])
    written = parser.renderInline(text) if inline else parser.render(text)
    return Markup(_PLACE.sub(lambda found: formulas[int(found[1])], written))


@functools.cache
def _mathml(latex: str, display: str) -> str:
    # An operator would be set with wide space around it; the paper's E[x] has none.
    return str(convert(latex.strip().replace(r"\operatorname", r"\mathrm"), display=display))
