"""The section "Training and inference": statistics of mini-batches, running averages, and the population's."""

from __future__ import annotations

import numpy as np
import streamlit as st

from bnviz.figures.charts import layer as figures
from bnviz.layer import arithmetic
from bnviz.layer import numerals as n
from bnviz.layer.captured import History
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import NEWEST, PREFIX, View
from bnviz.ui.parts import link


def show(ask: Ask, view: View) -> None:
    """Mini-batch statistics, running averages and the population's, over training."""
    picture, words = st.columns(parts.BESIDE, gap="large")
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
