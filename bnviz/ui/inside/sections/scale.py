"""The section "Try γ and β": set by hand, and as training changed them."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from bnviz.figures.charts import layer as figures
from bnviz.layer import arithmetic
from bnviz.layer import numerals as n
from bnviz.layer.captured import History, LayerBatch
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import PREFIX, View
from bnviz.ui.parts import link

_GAMMA, _BETA = f"{PREFIX}hand.gamma", f"{PREFIX}hand.beta"


def show(ask: Ask, batch: LayerBatch, view: View) -> None:
    """γ and β set by hand, and how training changed them."""
    x = batch.crowd[:, view.unit - 1]
    learned = float(batch.gamma[view.unit - 1]), float(batch.beta[view.unit - 1])
    identity = arithmetic.undoing(x, batch.epsilon)
    gamma = learned[0] if view.gamma is None else view.gamma
    beta = learned[1] if view.beta is None else view.beta
    reaches = [
        float(math.ceil(max(3.0, 1.5 * abs(own), 1.5 * abs(undone), abs(now))))
        for own, undone, now in zip(learned, identity, (gamma, beta), strict=True)
    ]
    picture, words = st.columns(parts.BESIDE, gap="large")
    st.session_state[_GAMMA], st.session_state[_BETA] = gamma, beta
    with words:
        st.write(
            "Without γ and β every unit’s output would have mean 0 and variance 1, whatever is best for the next "
            "nonlinearity. With γ and β training can choose both. Move them and see what they do."
        )
        for label, key, reach in zip("γβ", (_GAMMA, _BETA), reaches, strict=True):
            st.slider(label, -reach, reach, step=0.01, key=key, on_change=_by_hand)
        with st.container(horizontal=True, gap="small"):
            st.button("As learned", on_click=_set, args=(None, None))
            st.button("Restore the identity", on_click=_set, args=identity)
        lines = arithmetic.forward(x, gamma, beta, batch.epsilon)
        apart = float(np.abs(lines.y - x).max())
        st.write(
            f"With γ = √(Var + ε) = {n.shown(identity[0], 4)} and β = E = {n.shown(identity[1], 4)} the output y is "
            f"the input x again. Now γ = {n.shown(gamma, 4)} and β = {n.shown(beta, 4)}: the largest |y − x| is "
            f"**{n.scientific(apart, 2) if apart < 1e-3 else n.shown(apart, 4)}**."
        )
    with picture:
        parts.figure(
            figures.before_and_after,
            x,
            gamma,
            beta,
            batch.epsilon,
            key="inside-before-and-after",
            unit=view.unit,
        )
    history: History | None = ask("history", 0, layer=view.layer)
    if history is not None:
        parts.figure(figures.learned, history, view.unit, view.step, key="inside-learned")


def _set(gamma: float | None, beta: float | None) -> None:
    st.session_state[f"{PREFIX}gamma"], st.session_state[f"{PREFIX}beta"] = gamma, beta
    link.touch()


def _by_hand() -> None:
    _set(float(st.session_state[_GAMMA]), float(st.session_state[_BETA]))
