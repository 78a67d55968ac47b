"""Below the Playground's figures, for networks of images: what enters, the first filters and their feature maps."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from bnviz.experiment.architecture import CONVOLUTIONAL
from bnviz.experiment.comparison import Comparison
from bnviz.export.stamp import ArmStamp, made_here
from bnviz.figures.charts import layer as figures
from bnviz.figures.frame.arms import arm_styles
from bnviz.layer.first_layer import FirstLayer
from bnviz.runs import Run
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.parts import link
from bnviz.ui.parts.page_state import Parameter

MOST_EXAMPLES = 100


def show(
    run: Run, at: int | None, comparison: Comparison, images: Parameter, example: Parameter, prefix: str
) -> None:
    """The choice to look at images, and the figures of the step looked back at, or else the latest that all reached.

    Nothing for networks without feature maps. at: the step looked back at, None for the latest. images, example: the
    parameters of the page's link that the choice sets. prefix: of their keys.
    """
    recordings = run.recordings[: len(run.arms)]
    if any(item.experiment.architecture not in CONVOLUTIONAL for item in recordings):
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        wanted = st.toggle(images.label, key=f"{prefix}images", help=images.help, on_change=link.touch)
        if not wanted:
            return
        number = st.number_input(
            example.label, 1, MOST_EXAMPLES, key=f"{prefix}example", on_change=link.touch, width=140
        )
        st.button("Show the latest step", icon=":material/refresh:", key="playground.images.refresh")
    if not all(item.snapshots for item in recordings):
        st.caption("There is nothing to see before the first step. Press Play.")
        return
    latest = min(item.last_step for item in recordings)
    step = latest if at is None else min(at, latest)
    found: list[FirstLayer] = []
    for item in recordings:
        answer = Ask(item.experiment)(
            "first_layer:first_layer",
            item.at(step).step,
            interventions=item.interventions,
            example=int(number),
        )
        if answer is None:
            return
        found.append(answer)
    arms = arm_styles(recordings)
    stamps = [
        ArmStamp(item.experiment, item.interventions, item.diverged_at, made_here()) for item in recordings
    ]
    parts.are_about_arms(stamps, step, urlencode(comparison.to_query()))
    parts.figure(figures.entering, arms, found, key="playground-entering")
    parts.figure(figures.filters_and_maps, arms, found, key="playground-filters")
