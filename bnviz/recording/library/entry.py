"""What the library knows of a kept run without opening its files."""

from __future__ import annotations

import datetime
import hmac
from dataclasses import dataclass


class LibraryError(Exception):
    """Something that the library cannot do; the message is a sentence."""


@dataclass(frozen=True)
class Visitor:
    """Who asks. token: a secret of this visitor's session. manages: whether they may change everybody's runs."""

    token: str
    manages: bool = False


@dataclass(frozen=True)
class KeptArm:
    """One Recording of a kept run. label: what it is called; file: its name in the library's folder."""

    label: str
    file: str
    bytes: int


@dataclass(frozen=True)
class Entry:
    """One kept run.

    source: where it comes from, such as "Playground". title: what sets its arms apart. settings: what they
    have in common. verdict: what was found. thumbnail: an SVG. kept_at: with the time zone, UTC.
    """

    id: str
    kept_at: datetime.datetime
    owner: str
    source: str
    title: str
    settings: str
    verdict: str
    thumbnail: str
    pinned: bool
    arms: tuple[KeptArm, ...]

    @property
    def bytes(self) -> int:
        """What its files take."""
        return sum(arm.bytes for arm in self.arms)

    def may_change(self, visitor: Visitor) -> bool:
        """Whether the visitor may pin and delete it: who manages the library, or who kept it."""
        return visitor.manages or hmac.compare_digest(self.owner.encode(), visitor.token.encode())

    def matches(self, text: str) -> bool:
        """Whether every word of `text` stands in what is told of it, in small letters or large."""
        labels = " ".join(arm.label for arm in self.arms)
        told = f"{self.source} {self.title} {self.settings} {self.verdict} {labels}".casefold()
        return all(word in told for word in text.casefold().split())
