"""The section "Other examples in the batch": change one, and see the others move."""

from __future__ import annotations

import html

import streamlit as st

from bnviz.experiment.knob import NORMALIZERS
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.figures.charts import layer as figures
from bnviz.labs.verdicts import percent
from bnviz.layer import numerals as n
from bnviz.layer.captured import Companions, largest_move
from bnviz.ui.inside import parts, trained_with
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import AMONG, CHANGES, PREFIX, View
from bnviz.ui.parts import link

ROUNDING = 1e-9
"""A smaller move of an output is rounding."""


def controls(view: View) -> None:
    """The choice of the normalization, and of the example that is changed."""
    trained_with.choice(view, "among", AMONG, of_example=True)


def show(ask: Ask, view: View) -> None:
    """Change one example and see the others move."""
    picture, words = st.columns(parts.BESIDE, gap="large")
    with words:
        st.write(
            "Does an example’s output depend on the others in its mini-batch? Change one example, and watch the "
            "others. Then choose another normalization: the same network is trained with it."
        )
        st.segmented_control(
            view.parameters()["change"].label,
            options=list(CHANGES),
            format_func=CHANGES.__getitem__,
            key=f"{PREFIX}change",
            required=True,
            on_change=link.touch,
        )
        found: Companions | None = trained_with.asked(
            ask, view, view.among, "companions", example=view.example
        )
    if found is None:
        return
    if view.change not in found.training:
        words.info("Of two examples none can be left out: a mini-batch of one has variance 0.")
        return
    if view.maps and view.position > found.positions:
        words.error(f"position = {view.position} is not allowed; allowed is 0 to {found.positions}")
        return
    names = found.members.names
    unit, position = (view.channel, view.position or found.middle) if view.maps else (view.unit, None)
    others = [row for row in range(view.examples) if row != view.example - 1]
    most = {
        mode: largest_move(replies, view.change, view.example)
        for mode, replies in (("training", found.training), ("inference", found.inference))
    }
    by = f", when a {found.replacement.names[0]} takes the place of example {view.example}"
    layer, values = (view.map_layer, "channels and positions") if view.maps else (view.layer, "units")
    words.write(
        f"Over all {values} of layer {layer}, the other {len(others)} outputs move by up to "
        f"**{n.apart(most['training'])}** in training mode"
        f"{by if view.change == 'replace' else ''}, "
        f"and by {n.apart(most['inference'])} in inference mode"
        f"{', which is rounding' if 0 < most['inference'] < ROUNDING else ''}. " + _why(view)
    )
    with picture:
        parts.figure(figures.moves, found, view.change, view.example, unit, position, key="inside-moves")
    rows = []
    for row in others:
        cells = [f"{row + 1}: {html.escape(names[row])}"]
        for replies in (found.training, found.inference):
            before, after = replies["none"], replies[view.change]
            outputs = (n.shown(item.value(row, unit, position), 4) for item in (before, after))
            chances = (percent(float(item.right[row]), 2) for item in (before, after))
            cells += [" → ".join(outputs), " → ".join(chances)]
        rows.append(cells)
    whose = f"Unit {unit}" if position is None else f"Channel {unit}, position {position}"
    parts.table(
        f"{whose}: its output y, and the probability that the network gives each example’s class",
        ["example", "y, training", "its class, training", "y, inference", "its class, inference"],
        rows,
        key="inside-companions",
    )


def _why(view: View) -> str:
    """Where the normalizer takes its statistics from, which is why the others move or stay."""
    named = NORMALIZERS[view.among]
    if view.among in (*OF_ONE_EXAMPLE, "instance"):
        return f"{named} takes its statistics from each example alone: no example depends on another."
    whole = "a part of the mini-batch, its ghost batch," if view.among == "ghost-batch" else "the mini-batch"
    return (
        f"{named} takes its statistics from {whole} while it trains, in this layer and in every layer before "
        "it. In inference mode it uses fixed averages."
    )
