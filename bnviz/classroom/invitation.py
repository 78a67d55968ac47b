"""How students find a class: the address by which other machines reach this one, and the link's QR code."""

from __future__ import annotations

import io
import ipaddress
import socket
from urllib.parse import urlsplit

import segno

MOST_ADDRESS = 200


class AddressError(ValueError):
    """A text that is no web address; the message says what is allowed."""


def lan_address() -> str | None:
    """The address of this machine in its network, such as "192.168.1.7"; None without a network.

    Nothing is sent: connecting a datagram socket only chooses the interface.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))
            host = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if is_local(host) else host


def is_local(host: str) -> bool:
    """Whether the host name means this machine itself, so that others cannot reach it by that name."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def read_address(text: str) -> str:
    """The scheme, host, port and path of a web address, without a slash at its end. Raises AddressError."""
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = (
        len(text) <= MOST_ADDRESS
        and text.isascii()
        and text.isprintable()
        and not set(text) & set(' "<>\\^`{|}')
    )
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise AddressError(
            f"address = {text[:40]!r} is not allowed; allowed is one such as http://192.168.1.7:8501"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "") + parts.path.rstrip("/")


def reachable(page: str) -> tuple[str, bool]:
    """The address by which others reach a page that is open here at `page`, and whether they do reach it."""
    parts = urlsplit(page)
    host, port = parts.hostname or "localhost", f":{parts.port}" if parts.port else ""
    if not is_local(host):
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", True
    own = lan_address()
    return f"{parts.scheme}://{own or host}{port}", own is not None


def qr_code(link: str) -> str:
    """The link as a QR code: an SVG, black on white in any theme, with the margin that scanners need."""
    buffer = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        buffer,
        kind="svg",
        border=4,
        light="#ffffff",
        xmldecl=False,
        omitsize=True,
        title="QR code of the link",
    )
    return buffer.getvalue().decode()
