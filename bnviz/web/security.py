"""Security headers on every response, Streamlit's own included: they tell browsers what a page may do.

Pages run only scripts of this server and connect to no other server. No other site may show them in a frame, and no
other site learns their addresses. A response that sets such a header itself keeps its own.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMES = "BNVIZ_FRAMES"
"""The environment variable that names other sites that may show the pages in a frame."""

_SITE = re.compile(r"https?://[A-Za-z0-9.*-]+(:\d{1,5})?")
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_DEVICES = (
    "camera",
    "display-capture",
    "geolocation",
    "hid",
    "microphone",
    "midi",
    "payment",
    "serial",
    "usb",
)


def frames(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The sites named in $BNVIZ_FRAMES. Raises ValueError for what is not a site."""
    sites = tuple(environment.get(FRAMES, "").split())
    for site in sites:
        if not _SITE.fullmatch(site):
            raise ValueError(
                f"{FRAMES} = {site[:60]!r} is not allowed; allowed are sites such as https://example.org"
            )
    return sites


def security_headers(index: Path, sites: tuple[str, ...] = ()) -> dict[str, str]:
    """The headers. index: Streamlit's page; its inline scripts are allowed by their hashes."""
    hashes = [base64.b64encode(hashlib.sha256(text).digest()) for text in _INLINE.findall(index.read_bytes())]
    policy = {
        "default-src": ["'self'"],
        # Streamlit loads the scripts of components through blobs.
        "script-src": ["'self'", "blob:", *(f"'sha256-{item.decode()}'" for item in hashes)],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'", "data:", "blob:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'", *sites],
    }
    return {
        "Content-Security-Policy": "; ".join(" ".join((name, *values)) for name, values in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{name}=()" for name in _DEVICES),
    }


class SecurityHeaders:
    """ASGI middleware that adds to every response the `headers` that it does not set itself."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = tuple((name.lower().encode(), text.encode()) for name, text in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                present = {name.lower() for name, _ in own}
                message["headers"] = own + [item for item in self._headers if item[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)
