"""A page's link holds its state: read when somebody opens or edits it, written after each change of a control.

Streamlit can bind a widget to a parameter by itself, but then drops what is not allowed without a word. Here the page
can say what it ignored.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

_WRITTEN = "address.written"
_TOUCHED = "address.touched"
_PAGE = "address.page"
_FRAME = "address.frame"

FRAME = ("view", "hide", "lock", "lesson", "part", "teacher")
"""Parameters of how a page is shown. Every page takes them; no page has controls for them."""


def touch() -> None:
    """Note that a control was used, so that the controls count and not the link. The `on_change` of every control."""
    st.session_state[_TOUCHED] = True


def opened(page: str) -> dict[str, str] | None:
    """The link's parameters where the link counts: it was just opened or edited. None where the controls count.

    Those of FRAME are left out: `frame` has them. A page to which somebody comes back without parameters has those
    with which it was left, and the view of the page before.
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
    """How the page is to be shown: the link's parameters of FRAME. Call it after `opened`."""
    found: dict[str, str] = st.session_state.get(_FRAME, {})
    return found


def reframe(**values: str | None) -> None:
    """Change parameters of FRAME for this page; None removes one."""
    kept = {name: text for name, text in frame().items() if name not in values}
    st.session_state[_FRAME] = kept | {name: text for name, text in values.items() if text is not None}
    touch()


def page() -> str:
    """The page that is shown. Call it after `opened`."""
    return str(st.session_state.get(_PAGE, ""))


def left(page: str) -> dict[str, str]:
    """The parameters of the page's link when it was last drawn; none if it never was."""
    found: dict[str, str] = st.session_state.get(f"{_WRITTEN}.{page}", {})
    return dict(found)


def write(page: str, query: Mapping[str, str]) -> None:
    """Write `query` and the parameters of FRAME into the link. It counts from now on, until a control is used."""
    st.session_state.pop(_TOUCHED, None)
    full = dict(query) | frame()
    st.session_state[f"{_WRITTEN}.{page}"] = full
    if st.query_params.to_dict() != full:
        st.query_params.from_dict(full)
