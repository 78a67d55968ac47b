"""The form by which a student joins a class: the browser opens the class itself, in the same tab."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import streamlit as st

from bnviz.classroom.codes import ALPHABET, EXAMPLE, LENGTH
from bnviz.ui.parts import link
from bnviz.web import assets, state

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_SCRIPT = "export default async (c) => (await import(new URL(c.data.script, location.origin))).join(c)"


@functools.cache
def _component() -> ComponentRenderer:
    return st.components.v2.component(
        "bnviz_join",
        html='<div data-bnviz class="bnviz-joining"></div>',
        js=_SCRIPT,
        isolate_styles=False,
    )


def form() -> None:
    """Draw the form. A code that is none, or of no class, is answered by a sentence below it."""
    base = state.prefix(st.get_option("server.baseUrlPath"))
    data = {
        "base": base,
        "script": assets.url(base, "class_join.js"),
        "style": assets.url(base, "class_join.css"),
        "view": link.frame().get("view", ""),
        "alphabet": ALPHABET,
        "length": LENGTH,
        "example": EXAMPLE,
    }
    _component()(key="class.join", data=data)
