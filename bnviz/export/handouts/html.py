"""HTML put together so that no text can become markup by accident: plain strings are escaped, Html is not."""

from __future__ import annotations

import html
import re
from typing import Self

_VOID = frozenset({"input", "meta", "br", "hr"})
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()

    @classmethod
    def joined(cls, *parts: str) -> Self:
        """The parts one after the other, those that are no Html escaped."""
        return cls("".join(map(escaped, parts)))


def escaped(text: str) -> Html:
    """The text as HTML that shows it; Html as it is."""
    return text if isinstance(text, Html) else Html(html.escape(text))


def tag(element: str, /, *children: str, **attributes: str | bool) -> Html:
    """An element. children: texts, and Html. attributes: `class_` is class and `data_step` data-step.

    True is an attribute without a value, False one that is left out. Raises ValueError for a name that is none.
    """
    written = []
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if not _NAME.fullmatch(attribute):
            raise ValueError(f"attribute = {attribute!r} is not allowed; allowed are letters and hyphens")
        if value is not False:
            written.append(f" {attribute}" if value is True else f' {attribute}="{html.escape(str(value))}"')
    start = f"<{element}{''.join(written)}>"
    return Html(start if element in _VOID else f"{start}{Html.joined(*children)}</{element}>")
