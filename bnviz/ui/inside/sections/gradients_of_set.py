"""The section "Backward pass" for the other normalizers by statistics."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment.knob import NORMALIZERS, lower_first
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.figures.charts import layer as figures
from bnviz.layer import gradients as formulas
from bnviz.layer import numerals as n
from bnviz.layer.backward_of_set import BackwardOfSet
from bnviz.layer.captured import SharedBatch
from bnviz.layer.sharing import in_words
from bnviz.layer.traits import TRAITS, Traits
from bnviz.ui.inside import parts, trained_with
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import BACKWARD_OF, View

WITHOUT_STATISTICS = (
    "Weight normalization, weight standardization and dynamic tanh are not in the list: they take no statistics of "
    "the values that pass through the layer. Weight normalization computes $w = g\\,v/\\lVert v\\rVert$, and the "
    "gradient of w goes on to g and v: "
    "$\\partial\\ell/\\partial g = \\partial\\ell/\\partial w \\cdot v/\\lVert v\\rVert$ and "
    "$\\partial\\ell/\\partial v = g/\\lVert v\\rVert \\cdot (\\partial\\ell/\\partial w - "
    "\\partial\\ell/\\partial g \\cdot v/\\lVert v\\rVert)$. "
    "Weight standardization normalizes each unit’s row of weights, so the formulas of layer normalization hold for the "
    "row, with γ = 1; the group normalization behind it is in the list. Dynamic tanh takes each value alone: "
    "$\\partial\\ell/\\partial x = \\partial\\ell/\\partial y \\cdot \\gamma\\,\\alpha\\,(1 - \\tanh^2 \\alpha x)$."
)
"""Why there is no backward pass of these here, and what theirs is (Salimans & Kingma 2016, Eq. 3; Zhu 2025)."""


def controls(view: View) -> None:
    """The choice of the normalization, and of the example where the page shows no other choice of it."""
    follows = view.maps or view.backward_of != "batch"
    trained_with.choice(view, "backward_of", BACKWARD_OF, of_example=follows)


def show(ask: Ask, view: View) -> None:
    """The gradients of the set of values that share statistics, beside autograd and finite differences."""
    batch: SharedBatch | None = trained_with.asked_both_ways(ask, view, view.backward_of)
    if batch is None:
        return
    label, traits = NORMALIZERS[view.backward_of], TRAITS[view.backward_of]
    unit, position = trained_with.followed(batch, view)
    shown = BackwardOfSet(batch, view.example, unit, position)
    shared = in_words(batch.x, batch.ids == shown.own)
    count = len(shown.found.x)
    followed = batch.named(batch.place(view.example, unit, position))
    st.write(
        f"ℓ is the loss of this mini-batch, {n.scientific(batch.loss, 4)}, in a network that was trained with "
        f"{lower_first(label)}. The value at {followed} is one of n = {count:,} that share their statistics: {shared}. "
        + _passes(view.backward_of, maps=view.maps)
    )
    parts.table(
        f"The gradients for {followed}",
        formulas.HEADS,
        shown.gradients(),
        key="inside-gradients",
    )
    parts.table(
        "The same ∂ℓ/∂x in one line, put together and simplified",
        formulas.HEADS,
        [shown.in_one_line()],
        key="inside-one-line",
    )
    st.caption(
        "Differs by: the largest difference from the formula’s value over the set. Finite differences are central "
        "ones, through the whole rest of the network, in double precision."
        + _over_values(traits, maps=view.maps)
        + _nudged(batch, shown)
    )
    parts.table("What the sums add up, value by value", *shown.terms(), key="inside-terms")
    parts.figure(
        figures.input_gradients,
        shown.found.dx,
        shown.found.dx_hat / shown.found.root,
        key="inside-input-gradients",
        unit=unit,
        shared=shared,
        numbers=shown.numbers,
    )


def _nudged(batch: SharedBatch, shown: BackwardOfSet) -> str:
    """Of which values finite differences are, where they are not of all, and where the loss has no slope."""
    some = len(batch.nudged_at) < len(shown.found.x)
    told = (
        f" Those of x and x̂ are of {len(batch.nudged_at)} of the values, spread over the set." if some else ""
    )
    if not shown.kinks:
        return told
    return told + (
        f" At {shown.kinks} of these the loss has no slope, and nothing is compared: max pooling takes the larger of "
        "two equal neighbours, and moving one of them changes which. Autograd chooses one."
    )


def _over_values(traits: Traits, *, maps: bool) -> str:
    """That the sums for γ and β are not over the set, in the words for those that there are."""
    learned = [sign for sign, there in (("γ", traits.scaled), ("β", traits.shifted)) if there]
    whose = "belong to a unit: their sums are" if len(learned) > 1 else "belongs to a unit: its sum is"
    over = "examples and positions of a channel" if maps else "examples"
    return f" {' and '.join(learned)} {whose.replace('unit', 'channel' if maps else 'unit')} over the {over}."


def _passes(normalizer: str, *, maps: bool) -> str:
    """On what paths the gradient goes."""
    if normalizer == "instance":
        return "The gradient goes through the mean and the variance of this one map, to its positions and no further."
    if normalizer == "batch":
        return (
            "The gradient goes through the mean and the variance, which depend on every example and position."
        )
    if normalizer in OF_ONE_EXAMPLE:
        within = "through its channels and their positions" if maps else "through its units"
        also = "the mean square" if normalizer == "rms" else "the mean and the variance"
        return f"The gradient goes through {also} of the example too: {within}, never to another example."
    if normalizer == "mean-only":
        return "The gradient goes through the mean too, which depends on every example."
    if normalizer == "variance-only":
        return "The gradient goes through the variance too, which depends on every example. No mean is subtracted."
    if normalizer == "batch-renorm":
        return (
            "The gradient goes through the mini-batch’s mean and variance. The corrections r and d are constants to it "
            "(Ioffe 2017, Algorithm 1)."
        )
    return "The gradient goes through the mean and the variance of each ghost batch."
