"""The page "Inside one batch-normalization layer": what the layer does, on a network at a step of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from bnviz.experiment import Experiment
from bnviz.layer.captured import LayerBatch
from bnviz.ui.inside import parts, sections
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.view import (
    LEAST,
    MOST,
    NETWORK,
    PARAMETERS,
    PREFIX,
    SECTIONS,
    STEPS,
    View,
    experiment_of,
    query_of,
)
from bnviz.ui.parts import controls, layout, link

PAGE = "inside"
_IGNORED = f"{PREFIX}ignored"
_OPENED = f"{PREFIX}opened"


def show() -> None:
    """Draw the page."""
    opened = link.opened(PAGE)
    if opened is not None:
        _fill(opened)
    state = st.session_state
    experiment, ignored = experiment_of(_said(Experiment.knobs()))
    view = View.salvage(_said(PARAMETERS), experiment)[0].within(experiment)
    _keep(experiment, view)
    layout.intro(
        "<b>Inside one batch-normalization layer.</b> A real network, a real mini-batch, every number."
    )
    layout.notice_ignored((*state.pop(_IGNORED, ()), *ignored))
    _controls(experiment, view)
    st.segmented_control(
        "What to look at",
        options=list(SECTIONS),
        format_func=SECTIONS.__getitem__,
        key=f"{PREFIX}section",
        required=True,
        label_visibility="collapsed",
        on_change=link.touch,
    )
    _section(experiment, view)
    layout.footer()
    link.write(PAGE, query_of(experiment, View.salvage(_said(PARAMETERS), experiment)[0].within(experiment)))


def _section(experiment: Experiment, view: View) -> None:
    ask = Ask(experiment)
    parts.are_about(experiment, view.step)
    if view.section == "inference":
        sections.inference(ask, view)
        return
    if view.section == "maps":
        sections.maps(ask, view)
        return
    batch: LayerBatch | None = ask("layer", view.step, layer=view.layer, examples=view.examples)
    if batch is None:
        return
    if not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no numbers any more.")
        return
    if batch.step < view.step:
        st.info(f"This network diverged at step {batch.step:,}; what you see is that step.")
    match view.section:
        case "arithmetic":
            sections.arithmetic_lines(ask, batch, view, state_of_page())
        case "scale":
            sections.scale(ask, batch, view)
        case "gradients":
            sections.gradients(ask, batch, view)
        case "companions":
            sections.companions(ask, batch, view)


def state_of_page() -> int:
    """A number that is another one whenever a link was opened."""
    number: int = st.session_state.get(_OPENED, 0)
    return number


def _controls(experiment: Experiment, view: View) -> None:
    """What is looked at: few controls, always in sight; the network's own folded away."""
    width = experiment.hidden[view.layer - 1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=230):
            controls.field("dataset", f"{PREFIX}dataset")
        st.slider(
            "Steps of training",
            0,
            STEPS,
            key=f"{PREFIX}step",
            help="The network as it stood after this many updates. It is really trained up to there.",
            on_change=link.touch,
            width=260,
        )
        st.selectbox(
            "Layer",
            options=range(1, len(experiment.hidden) + 1),
            key=f"{PREFIX}layer",
            on_change=link.touch,
            width=90,
        )
        st.number_input("Unit", 1, width, key=f"{PREFIX}unit", on_change=link.touch, width=120)
        st.slider(
            "Mini-batch shown",
            LEAST,
            MOST,
            key=f"{PREFIX}examples",
            help="How many examples: the first that the next update would use. They pass through as one mini-batch.",
            on_change=link.touch,
            width=190,
        )
        with st.popover("The network"):
            for name in NETWORK:
                controls.field(name, f"{PREFIX}{name}")


def _fill(query: Mapping[str, str]) -> None:
    """Set every control to what a link says; what it says in vain is told once."""
    state = st.session_state
    experiment, ignored = experiment_of(query)
    view, ignored_view = View.salvage(query, experiment)
    for name, text in experiment.texts().items():
        state[f"{PREFIX}{name}"] = text
    for name in PARAMETERS:
        state[f"{PREFIX}{name}"] = getattr(view, name)
    state[_IGNORED] = (*ignored, *ignored_view)
    state[_OPENED] = state_of_page() + 1


def _said(names: Any) -> dict[str, str]:
    """What the controls say, as a link's parameters."""
    values = {name: st.session_state.get(f"{PREFIX}{name}") for name in names}
    return {
        name: Experiment.text(value).lower() if isinstance(value, bool) else Experiment.text(value)
        for name, value in values.items()
        if value is not None
    }


def _keep(experiment: Experiment, view: View) -> None:
    """Set the controls to what counts: another network may have no such layer, another mini-batch no such example.

    Streamlit forgets the controls that a section does not show unless they are set anew.
    """
    for name, text in experiment.texts().items():
        st.session_state[f"{PREFIX}{name}"] = text
    for name in PARAMETERS:
        st.session_state[f"{PREFIX}{name}"] = getattr(view, name)
