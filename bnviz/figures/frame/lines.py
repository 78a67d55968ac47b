"""Texts over several lines: how far lines stand from each other, and where a name is broken."""

from __future__ import annotations

import textwrap

LINE = 1.3
"""From one line of a text to the next, in sizes of the type, as Plotly sets them."""


def over_two_lines(text: str, most: int | None = None) -> str:
    """A name broken at its first comma; one longer than `most` characters, or up to its comma, between two words."""
    if ", " in text and (most is None or text.index(", ") < most):
        return text.replace(", ", ",<br>", 1)
    if most is not None and len(text) > most:
        return "<br>".join(textwrap.wrap(text, most, max_lines=2, placeholder=" …"))
    return text
