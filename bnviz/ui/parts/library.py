"""The library of kept runs as pages use it: where it is, who asks, and the button that keeps a run."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import streamlit as st

from bnviz.data.paths import home
from bnviz.figures.thumbnail import thumbnail
from bnviz.figures.wording import labels, settings
from bnviz.figures.wording import title as title_of
from bnviz.recording import Recording
from bnviz.recording.library import Credentials, Description, Library, LibraryError, most_bytes
from bnviz.ui.parts import link

FORWARDING = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
"""Headers that a proxy adds. A person behind a proxy does not sit at this machine, wherever the proxy is."""

_TOKEN = "kept.token"


@dataclass(frozen=True)
class Keepsake:
    """What a page has to keep; see `describe`."""

    recordings: Sequence[Recording]
    source: str
    title: str = ""
    names: Sequence[str] = ()
    verdict: str = ""


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """The library of this server. Raises LibraryError."""
    try:
        return Library(home() / "runs", most_bytes())
    except (OSError, ValueError) as error:
        raise LibraryError(f"The library cannot be opened: {error}") from error


def credentials() -> Credentials:
    """The credentials of this page's session."""
    token: str = st.session_state.setdefault(_TOKEN, secrets.token_urlsafe(24))
    return Credentials(token, at_the_server(st.context.ip_address, st.context.headers))


def at_the_server(remote: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a page was opened on the machine that serves it, and not through a proxy.

    remote: the peer's address; None stands for the loopback address, as in Streamlit. headers: of its request.
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
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def describe(
    recordings: Sequence[Recording],
    source: str,
    title: str = "",
    names: Sequence[str] = (),
    verdict: str = "",
) -> Description:
    """The words and the picture of a run.

    title, names: of the run and its arms; by default what sets them apart, in the title with what they share.
    """
    named = tuple(names) or labels(recordings)
    return Description(
        source=source,
        title=title or title_of(recordings, named),
        labels=named,
        settings=settings(recordings),
        verdict=verdict,
        thumbnail=thumbnail(recordings),
    )


def button(what: Callable[[], Keepsake], key: str = "keep") -> None:
    """A button that keeps what `what` returns when it is pressed."""
    st.button(
        "Keep",
        icon=":material/bookmark_add:",
        key=key,
        help="Keep these recordings in the library, under Runs.",
        on_click=_keep,
        args=(what,),
    )


def _keep(what: Callable[[], Keepsake]) -> None:
    link.touch()
    item = what()
    try:
        described = describe(item.recordings, item.source, item.title, item.names, item.verdict)
        library().keep(item.recordings, credentials(), described)
    except LibraryError as error:
        st.toast(str(error), icon=":material/error:", duration="long")
    else:
        st.toast("Kept: you find it under Runs.", icon=":material/bookmark_added:")
