"""The sections of the page "Inside", one function each."""

from __future__ import annotations

import html
import math

import numpy as np
import streamlit as st

from bnviz.experiment import ExperimentError
from bnviz.experiment.knob import NORMALIZERS, POINT_DATASETS
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.figures.charts import layer as figures
from bnviz.labs.verdicts import percent
from bnviz.layer import arithmetic
from bnviz.layer import gradients as formulas
from bnviz.layer import numerals as n
from bnviz.layer.captured import Companions, Gradients, History, LayerBatch
from bnviz.layer.walk import lines_of
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import (
    AMONG,
    CHANGES,
    CHANNELS,
    NEWEST,
    PREFIX,
    STEPS,
    View,
    with_maps,
)
from bnviz.ui.parts import link

_GAMMA, _BETA = f"{PREFIX}hand.gamma", f"{PREFIX}hand.beta"
ROUNDING = 1e-9
"""A smaller move of an output is rounding."""
_BESIDE = (2, 1)
"""How a figure and the words about it share the width. On a phone they stand below each other, in this order."""


def scale(ask: Ask, batch: LayerBatch, view: View) -> None:
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
    picture, words = st.columns(_BESIDE, gap="large")
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


def gradients(ask: Ask, batch: LayerBatch, view: View) -> None:
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
        _example(batch, view)
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


def _example(batch: LayerBatch, view: View) -> None:
    names = batch.members.names
    st.selectbox(
        view.parameters()["example"].label,
        options=range(1, view.examples + 1),
        format_func=lambda number: f"{number}: {names[number - 1]}",
        key=f"{PREFIX}example",
        on_change=link.touch,
        width=140,
    )


def companions(ask: Ask, batch: LayerBatch, view: View) -> None:
    """Change one example and see the others move."""
    names = batch.members.names
    picture, words = st.columns(_BESIDE, gap="large")
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
        _example(batch, view)
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


def inference(ask: Ask, view: View) -> None:
    """Mini-batch statistics, running averages and the population's, over training."""
    picture, words = st.columns(_BESIDE, gap="large")
    with words:
        st.write(
            "In inference an output must not depend on other examples. So the layer needs fixed numbers in place of "
            "the mini-batch’s: the population’s mean and variance (Algorithm 2). Libraries do not compute them at the "
            "end; they keep running averages during training. How well these follow depends on the weight of the "
            "newest mini-batch."
        )
        st.select_slider(
            view.parameters()["newest"].label,
            options=sorted({*NEWEST, view.newest}),
            key=f"{PREFIX}newest",
            on_change=link.touch,
        )
        history: History | None = ask("history", 0, layer=view.layer)
    if history is None:
        return
    if not len(history.batch_mean):
        words.error("This network diverged at its first step.")
        return
    with picture:
        parts.figure(figures.statistics, history, view.unit, view.newest, view.step, key="inside-statistics")
    words.write(_how_well(history, view))


def _how_well(history: History, view: View) -> str:
    at = view.unit - 1
    average = arithmetic.running_average(history.batch_mean[:, at], view.newest, 0.0)
    gathered = arithmetic.running_average(history.batch_mean[:, at], history.gathering, 0.0)
    after = history.population_steps[1:]
    misses = np.abs(average[after] - history.population_mean[1:, at])
    noise = np.abs(history.batch_mean[after - 1, at] - history.population_mean[1:, at])
    return (
        f"At the {len(after)} marked steps after the start the running mean misses the population’s by "
        f"{n.scientific(float(misses.mean()), 3)} on average; the last mini-batch’s own mean misses it by "
        f"{n.scientific(float(noise.mean()), 3)}. The line is recomputed from the {len(history.batch_mean):,} recorded "
        f"mini-batches. With {history.gathering:g}, the weight that this network itself uses, it ends within "
        f"{n.scientific(abs(float(gathered[-1] - history.running_mean[at])), 1)} of the network’s own running mean."
    )


def maps(ask: Ask, view: View) -> None:
    """The convolutional case: one mean for each channel, over examples and positions."""
    if ask.experiment.dataset in POINT_DATASETS:
        st.info("Points in the plane have no feature maps. Choose digits or other images above.")
        return
    picture, words = st.columns(_BESIDE, gap="large")
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
        f"Layer {view.map_layer}'s channels: what each divides and shifts by",
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
