"""How fast requests may come from one address: a script cannot ask or vote by the thousand, a lecture can.

A lecture behind one router has one address, as has everybody behind a proxy that adds no address of its own. So each
limit is a multiple of what a lecture hall asks for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from bnviz.data.lru import Lru
from bnviz.web.errors import json_error


@dataclass(frozen=True)
class Rate:
    """burst: how many may come at once. per_second: how many more may come in each second after."""

    burst: int
    per_second: float


NEW_VOTERS = Rate(150, 0.5)
"""Of one class: a lecture, all scanning the code."""

RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "watch": Rate(8000, 2000),  # 300 who look at figures and a state, three times a second each
        "drive": Rate(600, 60),  # 300 who vote at once, and press Play
        "make": Rate(300, 5),  # 300 who save a handout; pictures wait for the one browser that makes them
    }
)
"""Of all requests, by what they do: read what is shown, change something, have a file made."""

MADE = ("/exports/", "/recording/", "/answers.csv")
"""What the paths have in them that have a file made."""

TOO_MANY = "Too many requests came from this address; please try again in a moment."

_CAPACITY = 10_000


class RateLimit:
    """A token bucket for each key and address. For any thread."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._buckets: Lru[tuple[str, str], tuple[float, float]] = Lru(_CAPACITY)  # tokens, as of when

    def allows(self, key: str, address: str) -> bool:
        """Whether one more may come from the address now; if so, takes a token."""
        now, place = self._clock(), (key, address[:64])
        burst = self._rate.burst
        with self._lock:
            tokens, since = self._buckets.get(place) or (float(burst), now)
            tokens = min(burst, tokens + (now - since) * self._rate.per_second)
            allowed = tokens >= 1
            self._buckets.put(place, (tokens - allowed, now))
        return allowed


class RequestRates:
    """ASGI middleware that answers 429 to an address that asks for more than a RateLimit of its kind allows."""

    def __init__(
        self,
        app: ASGIApp,
        rates: Mapping[str, Rate] = RATES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._limits: Final = {kind: RateLimit(rate, clock) for kind, rate in rates.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "http":
            kind = kind_of(scope["method"], scope["path"])
            address = scope["client"][0] if scope.get("client") else ""
            if not self._limits[kind].allows(kind, address):
                await json_error(TOO_MANY, 429)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def kind_of(method: str, path: str) -> str:
    """What a request does, by the names in RATES."""
    if method == "POST":
        return "drive"
    return "make" if any(part in path for part in MADE) else "watch"
