"""The controls of the arms: the field in which they differ, its value in each, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment
from bnviz.experiment.comparison import (
    ARM_PARAMETERS,
    LEAST_ARMS,
    MOST_ARMS,
    Comparison,
    further_value,
    letters,
    suggested_values,
)
from bnviz.ui.parts import control_values, link
from bnviz.ui.parts.field_control import field, value_words

FITS = 25
"""Letters of a value that its box shows."""


def show(restrictions: Restrictions, idle: Mapping[str, str], most: int) -> None:
    """The field in which the arms differ and its value in each, where the link does not hide them."""
    knobs, vary = Experiment.knobs(), st.session_state["vary"]
    choice, values = ("vary" not in restrictions.hidden), (vary not in restrictions.hidden)
    if not choice and not values:
        return
    count = len(control_values.arm_values())
    with st.container(border=True, gap="xsmall", key="arms"):
        if choice:
            st.selectbox(
                f"{letters(count)} differ in",
                options=list(knobs),
                format_func=lambda name: knobs[name].label,
                key="vary",
                help="Everything else is the same in all: initial weights, order of examples, all settings.",
                on_change=_vary,
                disabled="vary" in restrictions.locked,
            )
        if values:
            _arms(vary, count, vary in restrictions.locked)
            if vary in idle:
                st.caption(f"{letters(count)} are the same network. {idle[vary]}")
            if choice and not restrictions.locked & {"vary", vary}:
                _number_of_arms(vary, most)


def _arms(vary: str, count: int, locked: bool) -> None:
    """The value of each arm, below each other: side by side their names would be cut."""
    for key in ARM_PARAMETERS[:count]:
        with st.container(horizontal=True, vertical_alignment="center", gap=None, key=f"arm-{key}"):
            st.markdown(f"**{key.upper()}**", width=16)
            field(vary, key, key.upper(), locked=locked, labelled=False)
        words = value_words(vary, st.session_state[key])
        if len(words) > FITS:
            st.caption(f"{key.upper()}: {words}")


def _number_of_arms(vary: str, most: int) -> None:
    """One more arm, where the field has a value for it; one less, where there are more than two."""
    values = control_values.arm_values()
    left = further_value(control_values.base(), vary, values) is not None
    with st.container(horizontal=True, gap="small", key="number-of-arms"):
        if len(values) < MOST_ARMS:
            why = "" if left else "No other value of this field makes another network."
            if len(values) >= most:
                why = f"This server trains {most} networks here at once, beside kept ones at most {MOST_ARMS} in all."
            st.button(
                f"Add {ARM_PARAMETERS[len(values)].upper()}",
                icon=":material/add:",
                key="add-arm",
                type="tertiary",
                help=why or f"Train up to {most} networks at once, on the same axes.",
                on_click=_add,
                disabled=bool(why),
            )
        if len(values) > LEAST_ARMS:
            st.button(
                f"Remove {ARM_PARAMETERS[len(values) - 1].upper()}",
                icon=":material/remove:",
                key="remove-arm",
                type="tertiary",
                on_click=_remove,
            )


def _add() -> None:
    """One more arm, of a value that no other has."""
    values = control_values.arm_values()
    value = further_value(control_values.base(), st.session_state["vary"], values)
    if value is not None:
        control_values.fill_arm_values([*values, value])
    link.touch()


def _remove() -> None:
    """Do without the last arm, and without what is changed in it alone."""
    said, _ = Comparison.salvage(control_values.read())
    if len(said.values) > LEAST_ARMS:
        control_values.fill_arm_values(said.values[:-1])
        control_values.fill_changes(said.interventions[:-1])
    link.touch()


def _vary() -> None:
    """Start the field that now differs from values worth comparing, of as many arms as before where it has so many."""
    said, _ = Comparison.salvage(control_values.read())
    values = suggested_values(control_values.base(), st.session_state["vary"], len(said.values))
    control_values.fill_arm_values(values)
    control_values.fill_changes(said.interventions[: len(values)])
    link.touch()
