"""Arms of kept runs beside the two that train on the Playground: which ones, in its state and in its link."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.recording import Recording
from bnviz.recording.library import LibraryError
from bnviz.ui.parts import arm_choice, link

PARAMETER = "beside"
MOST = MAX_ARMS - 2

_CHOSEN = "playground.beside"


def fill(query: Mapping[str, str]) -> dict[str, str]:
    """Choose what a link names, arms separated by commas; returns what else the link says."""
    texts = dict.fromkeys(filter(None, query.get(PARAMETER, "").split(",")))
    st.session_state[_CHOSEN] = tuple(texts)[:MOST]
    return {name: text for name, text in query.items() if name != PARAMETER}


def chosen() -> tuple[str, ...]:
    """The arms chosen, as `ArmChoice.text`."""
    found: tuple[str, ...] = st.session_state.get(_CHOSEN, ())
    return found


def to_query() -> dict[str, str]:
    """The link's parameter, if there is anything to say."""
    return {PARAMETER: ",".join(chosen())} if chosen() else {}


def recordings() -> tuple[list[Recording], list[str]]:
    """The Recordings of the arms chosen; those that are not there are given up, with a sentence for each."""
    found, ignored, there = [], [], []
    for text in chosen():
        try:
            found.append(arm_choice.recording(text))
            there.append(text)
        except LibraryError as error:
            ignored.append(f"{PARAMETER} = {text[:40]!r}: {error}".rstrip("."))
    st.session_state[_CHOSEN] = tuple(there)
    return found, ignored


def show() -> None:
    """Say how many there are, and offer to do without."""
    if count := len(chosen()):
        named = "a kept network" if count == 1 else f"{count} kept networks"
        st.button(
            f"Beside A and B: {named}",
            icon=":material/close:",
            help="Show the two networks alone again.",
            key="playground.alone",
            on_click=_drop,
            width="stretch",
        )


def _drop() -> None:
    st.session_state[_CHOSEN] = ()
    link.touch()
