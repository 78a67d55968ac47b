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


def touch() -> None:
    """Note that a control was used: what it says now counts, not the link. The `on_change` of every control."""
    st.session_state[_TOUCHED] = True


def opened(page: str) -> dict[str, str] | None:
    """The link's parameters if the page was opened with them or they changed since; None if controls lead.

    A page that is come back to without parameters goes on where it was left.
    """
    state = st.session_state
    now = {name: value[:2000] for name, value in st.query_params.to_dict().items()}
    written: dict[str, str] | None = state.get(f"{_WRITTEN}.{page}")
    arrived = state.get(_PAGE) != page
    state[_PAGE] = page
    if state.pop(_TOUCHED, False) and not arrived:
        return None
    if written is None:
        return now
    if arrived and not now:
        return written
    return now if arrived or now != written else None


def write(page: str, query: Mapping[str, str]) -> None:
    """Make the link say `query`."""
    st.session_state[f"{_WRITTEN}.{page}"] = dict(query)
    if st.query_params.to_dict() != dict(query):
        st.query_params.from_dict(dict(query))
