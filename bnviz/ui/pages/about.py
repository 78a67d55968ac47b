"""The About page: how to read the bands, how they are measured, and what is in dispute."""

from __future__ import annotations

from typing import Final

import streamlit as st

from bnviz.labs.glossary import GLOSSARY
from bnviz.ui.parts import layout, link
from bnviz.ui.parts.page_state import PageState
from bnviz.ui.parts.reading import BANDS

PAGE: Final = "about"

_READING = f"""
## How to read the bands

{BANDS}
"""

_HONESTY = """
## How it is measured

- Both networks start from the same weights and see the same examples in the same order, wherever their
  shapes allow it. They differ in what you chose, and in nothing else.
- The probe batch is normalized by its own mean and variance, as a mini-batch is in training.
- Accuracy and loss are measured in inference mode, with the running averages.
- Gradients and update sizes are those of the training step just made.
- **Drift** is the distance between what a unit receives now and what it received at step 0: the 1-Wasserstein
  distance, averaged over the layer’s units, in units of the nonlinearity’s input.
- The same settings give the same numbers every time. Training that was done before is played back, and says so.
"""

_DISPUTE = """
## What is in dispute

Batch normalization works; why it works is argued about.

- **Ioffe and Szegedy (2015)** say: it reduces internal covariate shift, so that layers need not follow a
  changing input. That also allows higher learning rates, less careful initial weights and saturating nonlinearities.
- **Santurkar et al. (2018)** added noise *after* batch normalization. The distributions shifted more than
  without any normalization, yet the networks trained nearly as well as with it. They say: it makes the loss smoother.
- **Bjorck et al. (2018)** say: mainly, it allows larger learning rates; at a small enough rate, networks with
  and without it train alike.

Here you can look for yourself. What a run shows is true of that run: change the seed and look again.
"""


def show() -> None:
    """Draw the page."""
    layout.notice_ignored(PageState.salvage(link.opened(PAGE) or {})[1])
    st.title("What am I looking at?", anchor=False)
    st.write(
        "Two neural networks learn to tell pictures or points apart. They are alike but for one thing, by default "
        "**batch normalization**: in one of them, every unit’s input is brought to mean 0 and variance 1 over each "
        "mini-batch, then scaled and shifted by two learned numbers, γ and β."
    )
    st.latex(
        r"\hat{x} = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}} \qquad\quad y = \gamma\,\hat{x} + \beta"
    )
    for text in (_READING, _HONESTY, _DISPUTE):
        st.markdown(text)
    st.header("Glossary", anchor=False)
    st.markdown("\n".join(f"- **{entry.term}**: {entry.meaning}" for entry in GLOSSARY))
    layout.footer()
    link.write(PAGE, {})
