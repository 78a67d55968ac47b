"""A page's link is its state: read when it is opened or changed by hand, written after every change of a control.

Streamlit can bind a widget to a parameter by itself, but drops what is not allowed without a word; here
the page can say what it ignored.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

_WRITTEN = "address.written"
_TOUCHED = "address.touched"
_PAGE = "address.page"
_FRAME = "address.frame"

FRAME = ("view", "hide", "lock", "lesson", "part")
"""Parameters that say how a page is shown, not what: every page takes them, none has controls for them."""


def touch() -> None:
    """Note that a control was used: what it says now counts, not the link. The `on_change` of every control."""
    st.session_state[_TOUCHED] = True


def opened(page: str) -> dict[str, str] | None:
    """The link's parameters if the page was opened with them or they changed since; None if controls lead.

    Those of FRAME are left out: `frame` has them. A page that is come back to without parameters goes on
    where it was left, and in the view of the page before.
    """
    state = st.session_state
    now = {name: value[:2000] for name, value in st.query_params.to_dict().items()}
    written: dict[str, str] | None = state.get(f"{_WRITTEN}.{page}")
    arrived = state.get(_PAGE) != page
    state[_PAGE] = page
    if state.pop(_TOUCHED, False) and not arrived:
        return None
    if arrived and not now:
        left = {name: text for name, text in (written or {}).items() if name != "view"}
        now = left | {name: text for name, text in frame().items() if name == "view"}
    elif not arrived and now == written:
        return None
    state[_FRAME] = {name: text for name, text in now.items() if name in FRAME}
    return {name: text for name, text in now.items() if name not in FRAME}


def frame() -> dict[str, str]:
    """How the page that is drawn is to be shown: its link's parameters of FRAME. After `opened`."""
    found: dict[str, str] = st.session_state.get(_FRAME, {})
    return found


def reframe(**values: str | None) -> None:
    """Show the page with these parameters of FRAME from now on, without those that are None."""
    kept = {name: text for name, text in frame().items() if name not in values}
    st.session_state[_FRAME] = kept | {name: text for name, text in values.items() if text is not None}
    touch()


def left(page: str) -> dict[str, str]:
    """What the page's link said when it was last drawn; nothing if it never was."""
    found: dict[str, str] = st.session_state.get(f"{_WRITTEN}.{page}", {})
    return dict(found)


def write(page: str, query: Mapping[str, str]) -> None:
    """Make the link say `query`, and how the page is shown. From now on the link counts, until a control is used."""
    st.session_state.pop(_TOUCHED, None)
    full = dict(query) | frame()
    st.session_state[f"{_WRITTEN}.{page}"] = full
    if st.query_params.to_dict() != full:
        st.query_params.from_dict(full)
