"""The section "Backward pass": the six formulas of Section 3, autograd, and finite differences."""

from __future__ import annotations

import streamlit as st

from bnviz.figures.charts import layer as figures
from bnviz.layer import arithmetic
from bnviz.layer import gradients as formulas
from bnviz.layer import numerals as n
from bnviz.layer.captured import Gradients, LayerBatch
from bnviz.layer.walk import lines_of
from bnviz.ui.inside import example_choice, parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import PREFIX, View
from bnviz.ui.parts import link


def show(ask: Ask, batch: LayerBatch, view: View) -> None:
    """The six formulas of Section 3 with their numbers, beside those of autograd and finite differences."""
    lines = lines_of(batch, view.unit)
    dy = batch.dy[:, view.unit - 1]
    whole = arithmetic.backward(lines, dy)
    constant = arithmetic.as_if_constant(lines, dy)
    st.write(
        f"ℓ is the loss of this mini-batch, {n.scientific(batch.loss, 4)}. Backpropagation brings ∂ℓ/∂y of every "
        "example to the layer. The six formulas take it on to x, γ and β. They go through the mean and the variance "
        "too: both depend on every example."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        example_choice.show(batch, view)
        st.toggle(
            view.parameters()["constant"].label,
            key=f"{PREFIX}constant",
            help=view.parameters()["constant"].help,
            on_change=link.touch,
        )
    nudged: Gradients | None = ask(
        "differences", view.step, layer=view.layer, examples=view.examples, unit=view.unit
    )
    shown = formulas.BackwardPass(batch, view.unit, view.example, view.constant, nudged)
    parts.table(
        f"The six gradients of unit {view.unit}, for example {view.example} where there is one for each",
        formulas.HEADS,
        shown.gradients(),
        key="inside-gradients",
    )
    if view.constant:
        st.write(
            "With constants the two terms through σ² and μ are gone. What is left of ∂ℓ/∂x is not the slope of the "
            "loss: autograd and finite differences, in which the statistics follow x, say otherwise."
        )
    else:
        parts.table(
            "The same ∂ℓ/∂x in one line: ∂ℓ/∂σ² and ∂ℓ/∂μ put in, and simplified",
            formulas.HEADS,
            [shown.in_one_line()],
            key="inside-one-line",
        )
        st.caption(
            "Differs by: the largest difference from the formula’s value over all examples. Finite differences are "
            "central ones, through the whole rest of the network, in double precision."
        )
    parts.table("What the sums add up, example by example", *shown.terms(), key="inside-terms")
    parts.figure(figures.input_gradients, whole.x, constant.x, key="inside-input-gradients", unit=view.unit)
