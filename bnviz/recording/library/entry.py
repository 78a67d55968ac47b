"""What the library knows of a kept run without opening its files, and who may change it."""

from __future__ import annotations

import datetime
import hmac
from dataclasses import dataclass


class LibraryError(Exception):
    """Something that the library cannot do; the message is a sentence."""


@dataclass(frozen=True)
class Credentials:
    """What decides whether somebody may change a kept run.

    token: a secret of the session that keeps or changes it. manages: whether it may change everybody's runs.
    """

    token: str
    manages: bool = False


@dataclass(frozen=True)
class Description:
    """The words and the picture of a run, in the words of the page that keeps it.

    source: where it comes from, such as "Playground". title: what sets its arms apart. labels: what each arm is
    called. settings: what the arms have in common. verdict: what was found. thumbnail: an SVG.
    """

    source: str
    title: str
    labels: tuple[str, ...]
    settings: str = ""
    verdict: str = ""
    thumbnail: str = ""


@dataclass(frozen=True)
class KeptArm:
    """One Recording of a kept run. label: what it is called; file: its name in the library's folder."""

    label: str
    file: str
    bytes: int


@dataclass(frozen=True)
class Entry:
    """One kept run. kept_at: with the time zone, UTC. owner: the token of who kept it. Texts: as in Description."""

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
        """The size of all its files."""
        return sum(arm.bytes for arm in self.arms)

    def may_change(self, who: Credentials) -> bool:
        """Whether they may rename, pin and delete it: who manages the library may, and who kept the run."""
        return who.manages or hmac.compare_digest(self.owner.encode(), who.token.encode())

    def matches(self, text: str) -> bool:
        """Whether every word of `text` stands in the entry's texts, in small letters or capitals."""
        labels = " ".join(arm.label for arm in self.arms)
        texts = f"{self.source} {self.title} {self.settings} {self.verdict} {labels}".casefold()
        return all(word in texts for word in text.casefold().split())
