"""Who asks: somebody at this machine itself, or somebody elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

FORWARDING = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
"""Headers that a proxy adds. A person behind a proxy does not sit at this machine, wherever the proxy is."""


def at_the_server(remote: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request was made on the machine that serves it, not through a proxy, nor by another site's page.

    remote: the peer's address; None stands for the loopback address, as in Streamlit. headers: of the request.
    """
    names = {name.casefold(): value for name, value in headers.items()}
    if FORWARDING & names.keys() or not _is_loopback(urlsplit(f"//{names.get('host', '')}").hostname):
        return False
    if "origin" in names and not _is_loopback(urlsplit(names["origin"]).hostname):
        return False
    return remote is None or _is_loopback(remote)


def _is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A server that listens on IPv6 gives IPv4 addresses as ::ffff:127.0.0.1, which Python before 3.13 takes for others.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
