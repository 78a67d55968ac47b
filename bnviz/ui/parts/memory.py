"""Which labs were done in this browser: their verdicts stay there from visit to visit, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

from bnviz.labs.verdicts import WORDS
from bnviz.ui.parts.component import component, data_of, nothing

MOST_CHARACTERS = 80
"""Of a verdict's words."""

_TOLD = "memory.told"
_FORGET = "memory.forget"


def verdicts(done: Mapping[str, str]) -> dict[str, str]:
    """The verdict of each lab that was done in this browser, by the lab's name.

    done: those of this visit, to be kept. A browser holds what anybody may have written: what is no verdict of a lab
    is left out.
    """
    forgotten = st.session_state.pop(_FORGET, False)
    told: str = "" if forgotten else st.session_state.get(_TOLD, "")
    part = component("remember", "bnviz_memory", "<span hidden></span>")
    data = data_of("memory.js", done=dict(done), known=told, forget=forgotten)
    result = part(key="memory", data=data, default={"done": told}, on_done_change=nothing)
    if isinstance(result.done, str) and not forgotten:
        told = result.done
    st.session_state[_TOLD] = told
    return read(told) | dict(done)


def forget() -> None:
    """Let the browser forget them when the page is next drawn."""
    st.session_state[_FORGET] = True


def read(told: str) -> dict[str, str]:
    """What a browser told; only verdicts as labs give them."""
    try:
        kept = json.loads(told)
    except ValueError:
        return {}
    if not isinstance(kept, dict):
        return {}
    return {
        name: word
        for name, word in kept.items()
        if isinstance(word, str) and word.startswith(WORDS) and len(word) <= MOST_CHARACTERS
    }
