"""Where a running bnviz is reached, as a person writes it."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, urlsplit

from bnviz.recording.watched import WatchError

PATIENCE_SECONDS = 10.0
"""For an answer of the server."""


@dataclass(frozen=True)
class Address:
    """Where a bnviz runs. path: of its pages, "" or "/base". token: what it printed at its start; "" for none."""

    secure: bool
    host: str
    port: int | None
    path: str
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """The address that a person wrote, such as "http://localhost:8501". Raises WatchError."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except (ValueError, AttributeError):
            host, port = None, None
        if not host or parts.scheme not in ("http", "https") or parts.username:
            raise WatchError(
                f"to = {str(text)[:60]!r} is not allowed; allowed is the address of a running bnviz, such as "
                '"http://localhost:8501"'
            )
        token = parse_qs(parts.query).get("token", [""])[0]
        if not token.isascii() or not token.isprintable():
            raise WatchError("to = ... has a token that no bnviz printed")
        return cls(parts.scheme == "https", host, port, parts.path.rstrip("/"), token)

    def __str__(self) -> str:
        """Without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection, which is made when it is first used."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=PATIENCE_SECONDS)
