"""Formulas in Markdown, written so that a page sets them: `$$` on lines of their own.

Streamlit's Markdown takes a `$$` that opens a line, and is not closed on it, for a fence: it drops the rest of the
line, and sets everything up to the next line that is `$$` alone as one formula.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"(?P<before>\s*)\$\$(?P<formula>[^$]+)\$\$(?P<after>\s*)")
_GAP = re.compile(r"\n{3,}(?=\$\$\n)")  # between two formulas, each of which asks for an empty line


def set_apart(markdown: str) -> str:
    """The text with every formula that fills a line, or runs over several, between two lines that are `$$` alone.

    A formula between `$$` within a line of text stays there.
    """
    return _GAP.sub("\n\n", _FORMULA.sub(_apart, markdown)).strip("\n")


def _apart(found: re.Match[str]) -> str:
    begins = "\n" in found["before"] or found.start() == 0 or found.string[found.start() - 1] == "\n"
    ends = "\n" in found["after"] or found.end() == len(found.string)
    if (begins and ends) or "\n" in found["formula"]:
        return f"\n\n$$\n{found['formula'].strip()}\n$$\n\n"
    return found[0]
