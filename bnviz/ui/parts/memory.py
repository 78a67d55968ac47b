"""Which labs were done in this browser, lessons begun or being written: kept there, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

from bnviz.labs.verdicts import WORDS
from bnviz.ui.parts.component import component, data_of, nothing

MOST_CHARACTERS = 80
"""Of a verdict's words."""

_TOLD = "memory.told"
_PLACES = "memory.places"
_DRAFT = "memory.draft"
_FORGOTTEN = "memory.forgotten"


def verdicts(done: Mapping[str, str]) -> dict[str, str]:
    """The verdict of each lab that was done in this browser, by the lab's name.

    done: those of this visit, to be kept. A browser holds what anybody may have written: what is no verdict of a lab
    is left out.
    """
    times: int = st.session_state.get(_FORGOTTEN, 0)
    told: str = st.session_state.get(_TOLD, "")
    part = component("remember", "bnviz_memory", "<span hidden></span>")
    data = data_of("memory.js", done=dict(done), known=told, forgotten=times)
    result = part(key="memory", data=data, default={"done": told}, on_done_change=nothing)
    if isinstance(result.done, str):
        told = result.done
    st.session_state[_TOLD] = told
    return read(told, times) | dict(done)


def forget() -> None:
    """Let the browser forget them when the page is next drawn.

    The page counts how often, and says so with every message: one may be overtaken by the next before it is read.
    """
    st.session_state[_FORGOTTEN] = st.session_state.get(_FORGOTTEN, 0) + 1


def read(told: str, times: int = 0) -> dict[str, str]:
    """What a browser told after it forgot as many `times`; only verdicts as labs give them."""
    try:
        forgotten, kept = json.loads(told)
    except (TypeError, ValueError):
        return {}
    if forgotten != times or not isinstance(kept, dict):
        return {}
    return {
        name: word
        for name, word in kept.items()
        if isinstance(word, str) and word.startswith(WORDS) and len(word) <= MOST_CHARACTERS
    }


def places(now: Mapping[str, int]) -> dict[str, int]:
    """The part of each lesson, from 1, at which this browser left it, by the lesson's name.

    now: the lesson that is open, to be kept. What the browser holds anybody may have written: only whole numbers count.
    """
    told: str = st.session_state.get(_PLACES, "")
    part = component("places", "bnviz_places", "<span hidden></span>")
    data = data_of("memory.js", now=dict(now), known=told)
    result = part(key="places", data=data, default={"all": told}, on_all_change=nothing)
    if isinstance(result.all, str):
        told = st.session_state[_PLACES] = result.all
    return _read_places(told) | dict(now)


def draft(text: str) -> str:
    """Let the browser keep the draft of a lesson. Returns the one that an earlier visit left, once; "" else.

    text: the draft of this visit, "" where it has none.
    """
    known: str = st.session_state.get(_DRAFT, "")
    part = component("draft", "bnviz_draft", "<span hidden></span>")
    data = data_of("memory.js", text=text, known=known)
    result = part(key="draft", data=data, default={"text": known}, on_text_change=nothing)
    if not isinstance(result.text, str) or result.text == known:
        return ""
    st.session_state[_DRAFT] = result.text
    return result.text


def _read_places(told: str) -> dict[str, int]:
    try:
        kept = json.loads(told)
    except (TypeError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {name: part for name, part in kept.items() if type(part) is int and part > 0}
