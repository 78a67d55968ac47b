"""Below the Playground's figures, for networks of images: what enters, the first filters, and feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlencode

import streamlit as st

from bnviz.experiment.architecture import CONVOLUTIONAL, IN_BLOCKS
from bnviz.experiment.comparison import Comparison
from bnviz.experiment.knob import MAX_CONVOLUTIONS
from bnviz.export.stamp import ArmStamp, made_here
from bnviz.figures.charts import layer as figures
from bnviz.figures.frame.arms import arm_styles
from bnviz.layer.block_maps import BlockMaps
from bnviz.layer.first_layer import FirstLayer
from bnviz.recording import Recording
from bnviz.runs import Run
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.parts import link
from bnviz.ui.parts.page_state import Parameter

MOST_EXAMPLES = 100
MOST_BLOCKS = MAX_CONVOLUTIONS - 1


def show(
    run: Run, at: int | None, comparison: Comparison, parameters: Mapping[str, Parameter], prefix: str
) -> None:
    """The choice to look at images, and the figures of the step looked back at, or else the latest that all reached.

    Nothing for networks without feature maps. at: the step looked back at, None for the latest. parameters: of the
    page's link; the choice sets images, example and block. prefix: of their keys.
    """
    images, example, block = (parameters[name] for name in ("images", "example", "block"))
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
        blocks = _blocks(recordings)
        looked_into = 0
        if blocks:
            st.session_state[f"{prefix}block"] = min(st.session_state[f"{prefix}block"], blocks)
            looked_into = st.selectbox(
                block.label,
                range(blocks + 1),
                format_func=lambda place: f"block {place}" if place else "no block",
                key=f"{prefix}block",
                help=block.help,
                on_change=link.touch,
                width=140,
            )
        st.button("Show the latest step", icon=":material/refresh:", key="playground.images.refresh")
    if not all(item.snapshots for item in recordings):
        st.caption("There is nothing to see before the first step. Press Play.")
        return
    latest = min(item.last_step for item in recordings)
    step = latest if at is None else min(at, latest)
    found: list[FirstLayer] = []
    within: list[BlockMaps] = []
    for item in recordings:
        ask = partial(Ask(item.experiment), interventions=item.interventions, example=int(number))
        answer = ask("first_layer:first_layer", item.at(step).step)
        if answer is None:
            return
        found.append(answer)
        if looked_into:
            answer = ask("block_maps:block_maps", item.at(step).step, block=looked_into)
            if answer is None:
                return
            within.append(answer)
    arms = arm_styles(recordings)
    stamps = [
        ArmStamp(item.experiment, item.interventions, item.diverged_at, made_here()) for item in recordings
    ]
    parts.are_about_arms(stamps, step, urlencode(comparison.to_query()))
    parts.figure(figures.entering, arms, found, key="playground-entering")
    parts.figure(figures.filters_and_maps, arms, found, key="playground-filters")
    if within:
        parts.figure(figures.maps_in_block, arms, within, key="playground-block")


def _blocks(recordings: Sequence[Recording]) -> int:
    """How many blocks all arms have; 0 where some have none."""
    if any(item.experiment.architecture not in IN_BLOCKS for item in recordings):
        return 0
    return min(len(item.experiment.hidden) for item in recordings) - 1
