"""The choice of the example that a section is about."""

from __future__ import annotations

import streamlit as st

from bnviz.layer.captured import LayerBatch
from bnviz.ui.inside.view import PREFIX, View
from bnviz.ui.parts import link


def show(batch: LayerBatch, view: View) -> None:
    """A box with the examples of the mini-batch and their classes."""
    names = batch.members.names
    st.selectbox(
        view.parameters()["example"].label,
        options=range(1, view.examples + 1),
        format_func=lambda number: f"{number}: {names[number - 1]}",
        key=f"{PREFIX}example",
        on_change=link.touch,
        width=140,
    )
