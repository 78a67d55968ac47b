"""The library of kept runs as pages use it: where it is, who asks, and the button that keeps a run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from bnviz.data.paths import home
from bnviz.figures.thumbnail import thumbnail
from bnviz.figures.wording import labels, settings
from bnviz.figures.wording import title as title_of
from bnviz.recording import Recording
from bnviz.recording.library import Credentials, Description, Library, LibraryError, most_bytes
from bnviz.ui.parts import link
from bnviz.web.peer import at_the_server

_TOKEN = "kept.token"


@dataclass(frozen=True)
class ToKeep:
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


def button(what: Callable[[], ToKeep], key: str = "keep") -> None:
    """A button that keeps what `what` returns when it is pressed."""
    st.button(
        "Keep",
        icon=":material/bookmark_add:",
        key=key,
        help="Keep these recordings in the library, under Runs.",
        on_click=_keep,
        args=(what,),
    )


def _keep(what: Callable[[], ToKeep]) -> None:
    link.touch()
    item = what()
    try:
        described = describe(item.recordings, item.source, item.title, item.names, item.verdict)
        library().keep(item.recordings, credentials(), described)
    except LibraryError as error:
        st.toast(str(error), icon=":material/error:", duration="long")
    else:
        st.toast("Kept: you find it under Runs.", icon=":material/bookmark_added:")
