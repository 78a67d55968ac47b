"""Who a run belongs to, as far as the server can tell one visitor from another without accounts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A visitor: one page's session, and the address that it came from, which a whole class may share."""

    session: str
    address: str = ""
