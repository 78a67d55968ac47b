"""The lesson that this visitor writes: its draft, the part that is open, and the button that adds a page to it."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from bnviz.classroom.draft import Draft, DraftPart
from bnviz.ui.parts import link

_DRAFT = "own-lesson.draft"
_PLACE = "own-lesson.place"


def draft() -> Draft:
    """The draft; an empty one at first."""
    found: Draft = st.session_state.get(_DRAFT, Draft())
    return found


def place() -> int:
    """The part that is open, from 0."""
    at: int = st.session_state.get(_PLACE, 0)
    return min(max(at, 0), len(draft().parts) - 1)


def go(at: int) -> None:
    """Open a part."""
    st.session_state[_PLACE] = at
    link.touch()


def write(made: Draft, at: int | None = None) -> None:
    """Set the draft, and the part that is open."""
    st.session_state[_DRAFT] = made
    if at is not None:
        st.session_state[_PLACE] = at
    link.touch()


def told() -> str:
    """The draft as the browser is to keep it; "" as long as this visit has written nothing."""
    return draft().to_json() if _DRAFT in st.session_state else ""


def remember(kept: str) -> None:
    """Take the draft that the browser kept from an earlier visit, and what this visit added before it was known."""
    earlier = Draft.of_json(kept) if kept else None
    if earlier is None:
        return
    for part in draft().parts if _DRAFT in st.session_state else ():
        earlier = earlier if part in earlier.parts else earlier.with_added(part)
    st.session_state[_DRAFT] = earlier


def add_button(page: str) -> None:
    """The button, at a page's end, that adds a part which opens the page as it stands."""
    st.button(
        "Add to my lesson",
        icon=":material/playlist_add:",
        key="own-lesson.add",
        type="tertiary",
        help="Adds a part that opens this page as it stands. Write the lesson under Class.",
        on_click=_add,
        args=(page,),
    )


def _add(page: str) -> None:
    address = "/" if page == "playground" else page
    asked = {name: text for name, text in link.left(page).items() if name not in link.FRAME}
    number = len(draft().parts) + 1 if draft() != Draft() else 1
    write(draft().with_added(DraftPart(title=f"Part {number}", link=f"{address}?{urlencode(asked)}")))
    st.toast("Added to your lesson: page Class, Write a lesson.", icon=":material/playlist_add_check:")
