"""The control of one field of an Experiment, made from its Knob."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment import Experiment
from bnviz.experiment.comparison import (
    offered_texts,
)
from bnviz.experiment.knob import Knob, parse_widths
from bnviz.ui.parts import link


def field(
    name: str,
    key: str,
    label: str | None = None,
    locked: bool = False,
    idle: str = "",
    labelled: bool = True,
) -> None:
    """One field's control: choose a value or, where the field has no fixed choices, type one.

    idle: why the field changes nothing now; then it cannot be changed. labelled: whether its label is seen; it is read
    out in any case.
    """
    knob = Experiment.knobs()[name]
    offered = list(offered_texts(name))
    current = st.session_state.get(key)
    if current is not None and current not in offered:
        offered.append(current)
    st.selectbox(
        label or knob.label,
        options=offered,
        format_func=lambda text: value_words(name, text),
        key=key,
        help=None if label else " ".join(filter(None, [idle, knob.help, f"Allowed: {_allowed(knob)}."])),
        accept_new_options=not knob.choices,
        on_change=link.touch,
        disabled=locked or bool(idle),
        label_visibility="visible" if labelled else "collapsed",
    )


def value_words(name: str, text: str) -> str:
    """A field's value, as its text in a link, in the words of its control."""
    return Experiment.knobs()[name].words(parse_widths(text) if name == "hidden" else text)


def _allowed(knob: Knob) -> str:
    """What a field takes, in the words of its control: the labels of its choices."""
    return "; ".join(knob.choices.values()) if knob.choices else knob.allowed
