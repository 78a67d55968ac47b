"""The section "Other examples in the batch": change one, and see the others move."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from bnviz.experiment import ExperimentError
from bnviz.experiment.knob import NORMALIZERS
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.figures.charts import layer as figures
from bnviz.labs.verdicts import percent
from bnviz.layer import numerals as n
from bnviz.layer.captured import Companions, LayerBatch
from bnviz.ui.inside import example_choice, parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import AMONG, CHANGES, PREFIX, View
from bnviz.ui.parts import link

ROUNDING = 1e-9
"""A smaller move of an output is rounding."""


def show(ask: Ask, batch: LayerBatch, view: View) -> None:
    """Change one example and see the others move."""
    names = batch.members.names
    picture, words = st.columns(parts.BESIDE, gap="large")
    with words:
        st.write(
            "Does an example’s output depend on the others in its mini-batch? Change one example, and watch the "
            "others. Then choose another normalization: the same network is trained with it."
        )
        st.selectbox(
            view.parameters()["among"].label,
            options=AMONG,
            format_func=NORMALIZERS.__getitem__,
            key=f"{PREFIX}among",
            on_change=link.touch,
        )
        example_choice.show(batch, view)
        st.segmented_control(
            view.parameters()["change"].label,
            options=list(CHANGES),
            format_func=CHANGES.__getitem__,
            key=f"{PREFIX}change",
            required=True,
            on_change=link.touch,
        )
    with words:
        try:
            network = ask.experiment.replace(normalizer=view.among)
        except ExperimentError as error:
            st.error(str(error))
            return
        found: Companions | None = ask(
            "companions",
            view.step,
            network,
            layer=view.layer,
            examples=view.examples,
            example=view.example,
        )
    if found is None:
        return
    if view.change not in found.training:
        words.info("Of two examples none can be left out: a mini-batch of one has variance 0.")
        return
    others = [row for row in range(view.examples) if row != view.example - 1]
    most = {
        mode: float(np.abs(replies[view.change].y - replies["none"].y)[others].max())
        for mode, replies in (("training", found.training), ("inference", found.inference))
    }
    by = f", when a {found.replacement.names[0]} takes the place of example {view.example}"
    words.write(
        f"Over all units of layer {view.layer}, the other {len(others)} outputs move by up to "
        f"**{_apart(most['training'])}** in training mode"
        f"{by if view.change == 'replace' else ''}, "
        f"and by {_apart(most['inference'])} in inference mode"
        f"{', which is rounding' if 0 < most['inference'] < ROUNDING else ''}. " + _why(view.among)
    )
    with picture:
        parts.figure(figures.moves, found, view.change, view.example, view.unit, key="inside-moves")
    rows = []
    for row in others:
        cells = [f"{row + 1}: {html.escape(names[row])}"]
        for replies in (found.training, found.inference):
            before, after = replies["none"], replies[view.change]
            outputs = (n.shown(float(item.y[row, view.unit - 1]), 4) for item in (before, after))
            chances = (percent(float(item.right[row]), 2) for item in (before, after))
            cells += [" → ".join(outputs), " → ".join(chances)]
        rows.append(cells)
    parts.table(
        f"Unit {view.unit}’s output y, and the probability that the network gives each example’s class",
        ["example", "y, training", "its class, training", "y, inference", "its class, inference"],
        rows,
        key="inside-companions",
    )


def _apart(difference: float) -> str:
    return n.shown(difference, 4) if difference >= 1e-3 else n.scientific(difference, 1)


def _why(normalizer: str) -> str:
    """Where a normalizer takes its statistics from, which is why the others move or stay."""
    named = NORMALIZERS[normalizer]
    if normalizer in OF_ONE_EXAMPLE:
        return f"{named} takes its statistics from each example alone: no example depends on another."
    return (
        f"{named} takes its statistics from the mini-batch while it trains, in this layer and in every layer before "
        "it. In inference mode it uses fixed averages."
    )
