"""The Inside page: what one normalization layer does, in a network at a step of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from bnviz.experiment import Experiment
from bnviz.experiment.knob import POINT_DATASETS
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.layer.captured import LayerBatch
from bnviz.layer.networks import STEPS
from bnviz.ui.inside import parts, trained_with
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.sections import (
    companions,
    gradients,
    gradients_of_set,
    inference,
    lines,
    maps,
    scale,
    sharing,
)
from bnviz.ui.inside.view import (
    LEAST,
    MAPS_IN,
    MOST,
    NETWORK,
    PREFIX,
    SECTIONS,
    View,
    experiment_of,
    query_of,
)
from bnviz.ui.parts import classroom_frame, control_values, layout, link
from bnviz.ui.parts.field_control import field

PAGE: Final = "inside"
_OPENED = f"{PREFIX}opened"


def show() -> None:
    """Draw the page."""
    query = link.opened(PAGE)
    if query is not None:
        st.session_state[_OPENED] = times_opened() + 1
    experiment, view, ignored = _asked(query)
    layout.intro(
        "<b>Inside one normalization layer.</b><span> A real network, a real mini-batch, every number.</span>"
    )
    classroom_frame.apply(PAGE)
    layout.notice_ignored(ignored)
    _controls(experiment, view)
    with st.container(key=layout.one_row("inside-sections")):
        st.segmented_control(
            view.parameters()["section"].label,
            options=list(SECTIONS),
            format_func=SECTIONS.__getitem__,
            key=f"{PREFIX}section",
            required=True,
            label_visibility="collapsed",
            on_change=link.touch,
        )
    _section(experiment, view)
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, query_of(experiment, view))


def _asked(query: Mapping[str, str] | None) -> tuple[Experiment, View, tuple[str, ...]]:
    """What the link, or else the controls, ask for, with every control set to it; and what was ignored."""
    if query is None:
        mine, network = None, control_values.read_fields(PREFIX)
    else:
        mine, network = View.split(query)
    experiment, ignored = experiment_of(network)
    view, more = View.asked(mine, PREFIX, experiment)
    control_values.fill_fields(experiment, PREFIX)
    view.set_controls(PREFIX)
    return experiment, view, (*ignored, *more)


def _section(experiment: Experiment, view: View) -> None:
    ask = Ask(experiment)
    parts.are_about(experiment, view.step)
    if view.section == "inference":
        inference.show(ask, view)
        return
    if view.section == "maps":
        maps.show(ask, view)
        return
    if view.section == "sharing":
        sharing.show(ask, view)
        return
    if view.section in MAPS_IN and view.maps and experiment.dataset in POINT_DATASETS:
        st.info(maps.NONE)
        return
    if view.section == "arithmetic" and (view.maps or view.lines_of != "batch"):
        lines.of_another(ask, view, times_opened())
        return
    if view.section == "gradients" and (view.maps or view.backward_of != "batch"):
        gradients_of_set.show(ask, view)
        st.caption(gradients_of_set.WITHOUT_STATISTICS)
        return
    if view.section == "companions":
        companions.show(ask, view)
        return
    batch: LayerBatch | None = ask("layer", view.step, layer=view.layer, examples=view.examples)
    if batch is None:
        return
    if not batch.finite:
        st.error(f"This network diverged: after {batch.step:,} steps its numbers are no longer finite.")
        return
    if batch.step < view.step:
        st.info(f"This network diverged at step {batch.step:,}; what you see is that step.")
    match view.section:
        case "arithmetic":
            lines.of_one_unit(ask, batch, view, times_opened())
        case "scale":
            scale.show(ask, batch, view)
        case "gradients":
            gradients.show(ask, batch, view)
            st.caption(gradients_of_set.WITHOUT_STATISTICS)


def _follows_an_example(view: View) -> bool:
    """Whether the lines follow an example through its units, not a unit through the examples."""
    return view.section == "arithmetic" and view.lines_of in OF_ONE_EXAMPLE


def times_opened() -> int:
    """A number that changes whenever a link is opened."""
    number: int = st.session_state.get(_OPENED, 0)
    return number


def _controls(experiment: Experiment, view: View) -> None:
    """The controls of what is looked at, in a row, where they have an effect; those of the network itself in a menu."""
    said, width = view.parameters(), experiment.hidden[view.layer - 1]
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="xsmall", key=layout.one_row("inside-controls")
    ):
        with st.container(width=182):
            field("dataset", f"{PREFIX}dataset")
        st.slider(
            said["step"].label,
            0,
            STEPS,
            key=f"{PREFIX}step",
            help=said["step"].help,
            on_change=link.touch,
            width=150,
        )
        of_maps = view.maps and view.section in MAPS_IN
        if of_maps:
            trained_with.of_maps(view)
        elif view.section != "maps":  # of another network, which has a layer and a channel to choose below
            st.selectbox(
                said["layer"].label,
                options=range(1, len(experiment.hidden) + 1),
                key=f"{PREFIX}layer",
                on_change=link.touch,
                width=75,
            )
        if view.section == "arithmetic":
            lines.controls(view)
        if view.section == "gradients":
            gradients_of_set.controls(view)
        if view.section == "companions":
            companions.controls(view)
        if not (of_maps or view.section in ("maps", "sharing") or _follows_an_example(view)):
            st.number_input(said["unit"].label, 1, width, key=f"{PREFIX}unit", on_change=link.touch, width=75)
        if view.section in MAPS_IN and experiment.dataset not in POINT_DATASETS:
            st.toggle(said["maps"].label, key=f"{PREFIX}maps", help=said["maps"].help, on_change=link.touch)
        if view.section not in ("scale", "inference"):  # these show other mini-batches
            st.slider(
                said["examples"].label,
                LEAST,
                MOST,
                key=f"{PREFIX}examples",
                help=said["examples"].help,
                on_change=link.touch,
                width=150,
            )
        with st.popover("The network"):
            for name in NETWORK:
                if name != "hidden" or not (of_maps or view.section == "maps"):
                    field(name, f"{PREFIX}{name}")
