"""The person to whom a run belongs, as far as a server without accounts can tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """One page's session, and the network address that it came from, which a whole class may share."""

    session: str
    address: str = ""
