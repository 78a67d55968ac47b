"""The section "Feature maps": one mean for each channel, over examples and positions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from bnviz.experiment.knob import POINT_DATASETS
from bnviz.figures.charts import layer as figures
from bnviz.layer import numerals as n
from bnviz.layer.captured import LayerBatch
from bnviz.layer.networks import CHANNELS, STEPS, with_maps
from bnviz.layer.walk import lines_of
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import PREFIX, View
from bnviz.ui.parts import link

NONE = "Points in the plane have no feature maps. Choose digits or other images above."


def show(ask: Ask, view: View) -> None:
    """The convolutional case: one mean for each channel, over examples and positions."""
    if ask.experiment.dataset in POINT_DATASETS:
        st.info(NONE)
        return
    picture, words = st.columns(parts.BESIDE, gap="large")
    words.write(
        "A convolution moves the same filter over all positions, so all positions should be normalized in the same "
        "way (Section 3.2). The mean is then over examples and positions. There is one γ and one β for each channel. "
        f"This is another network on the same data: {len(CHANNELS)} convolutional layers of {CHANNELS[0]} and "
        f"{CHANNELS[1]} channels, trained to the same step."
    )
    with words, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.selectbox(
            view.parameters()["map_layer"].label,
            options=range(1, len(CHANNELS) + 1),
            key=f"{PREFIX}map_layer",
            on_change=link.touch,
            width=170,
        )
        st.number_input(
            view.parameters()["channel"].label,
            1,
            CHANNELS[view.map_layer - 1],
            key=f"{PREFIX}channel",
            on_change=link.touch,
            width=120,
        )
    with words:
        batch: LayerBatch | None = Ask(with_maps(ask.experiment))(
            "layer", view.step, layer=view.map_layer, examples=view.examples
        )
    if batch is None:
        return
    if not batch.finite:
        words.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return
    m, features, height, width = batch.x.shape
    lines = lines_of(batch, view.channel)
    words.markdown(
        f"**m′ = m · p · q = {m} · {height} · {width} = {m * height * width:,}** values share each mean and variance. "
        f"So there are {features} means and variances, one for each channel, and not one for each of the "
        f"{features} · {height} · {width} = {features * height * width:,} channels and positions."
    )
    with picture:
        parts.figure(figures.maps, batch.x, batch.members.names, view.channel, key="inside-maps")
    kernel = float(np.abs(lines.y - batch.y[:, view.channel - 1].ravel()).max())
    parts.table(
        f"Layer {view.map_layer}’s channels: what each divides and shifts by",
        ["channel", "values m′", "mean μ", "variance σ²", "γ", "β"],
        [
            [
                f"<b>{channel}</b> (shown)" if channel == view.channel else str(channel),
                f"{m * height * width:,}",
                *(n.shown(value, 4) for value in (own.mean, own.variance, float(own.gamma), float(own.beta))),
            ]
            for channel in range(1, features + 1)
            for own in (lines_of(batch, channel),)
        ],
        key="inside-channels",
    )
    st.caption(
        f"Algorithm 1 on these {m * height * width:,} values gives the network’s own output of channel {view.channel} "
        f"to within {n.scientific(kernel, 1)}. Trained to step {batch.step:,} of {STEPS:,}."
    )
