"""The controls of an Experiment, made from its knobs, and what sets the two arms apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import Any

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment, presets
from bnviz.experiment.comparison import ARM_PARAMETERS, Comparison, offered_texts, suggested_values
from bnviz.experiment.knob import DATASETS
from bnviz.ui.parts import link

MORE = ("first_layer_scale", "momentum", "weight_decay", "dropout", "train_examples", "seed", "device")
"""Fields that stand folded away: most comparisons leave them alone."""

PRESET_LABELS = {
    "first-look": "First look",
    "figure-1": "The paper’s Figure 1",
    "careless-start": "A careless start",
    "deep-relu": "Deep, with ReLU",
    "two-spirals": "Two spirals",
}


def fill(state: MutableMapping[Any, Any], comparison: Comparison) -> None:
    """Set every control to what `comparison` says; before the controls are drawn."""
    for name, text in comparison.base.texts().items():
        state[name] = text
    state["vary"] = comparison.vary
    state["a"], state["b"] = comparison.values


def read(state: Mapping[Any, Any]) -> dict[str, str]:
    """What the controls say, as a link's parameters; a field that is varied has no control of its own."""
    names = (*Experiment.knobs(), "vary", *ARM_PARAMETERS)
    return {name: str(state[name]) for name in names if state.get(name) is not None}


def show(restrictions: Restrictions) -> None:
    """Draw the controls, without those that the link hides and unchangeable those that it locks."""
    hidden, locked = restrictions.hidden, restrictions.locked
    for name in hidden & set(st.session_state):
        st.session_state[name] = st.session_state[name]  # Streamlit forgets a control that is not drawn
    if locked:
        st.caption("What is grey is fixed for this lesson.")
    if "preset" not in hidden:
        st.selectbox(
            "Start from",
            options=list(presets),
            index=None,
            format_func=lambda name: PRESET_LABELS.get(name, name),
            key="preset",
            placeholder="Choose an example …",
            on_change=_use_preset,
            disabled="preset" in locked,
        )
    _what_differs(restrictions)
    knobs = {name: knob for name, knob in Experiment.knobs().items() if name not in hidden}
    shown = [name for name in knobs if name not in MORE and name != st.session_state["vary"]]
    for group in dict.fromkeys(knobs[name].group for name in shown):
        with st.container(gap="xsmall"):
            st.caption(f"**{group}**")
            for left, right in _pairs([name for name in shown if knobs[name].group == group]):
                _pair(left, right, locked)
    more = [name for name in MORE if name in knobs and name != st.session_state["vary"]]
    if more:
        with st.expander("More"):
            for name in more:
                field(name, name, locked=name in locked)


def _what_differs(restrictions: Restrictions) -> None:
    """What sets the two arms apart, unless both that and their values are hidden."""
    knobs, vary = Experiment.knobs(), st.session_state["vary"]
    choice, values = ("vary" not in restrictions.hidden), (vary not in restrictions.hidden)
    for key in ("vary", "a", "b"):
        st.session_state[key] = st.session_state[key]  # Streamlit forgets a control that is not drawn
    if not choice and not values:
        return
    with st.container(border=True, gap="xsmall"):
        if choice:
            st.selectbox(
                "A and B differ in",
                options=list(knobs),
                format_func=lambda name: knobs[name].label,
                key="vary",
                help="Everything else is the same in both: initial weights, order of examples, all settings.",
                on_change=_vary,
                disabled="vary" in restrictions.locked,
            )
        if values:
            for column, key in zip(st.columns(2, gap="small"), ("a", "b"), strict=True):
                with column:
                    field(vary, key, key.upper(), locked=vary in restrictions.locked)


def _pairs(names: list[str]) -> Iterable[tuple[str, str | None]]:
    """Names two by two; what has long labels to choose from stands alone."""
    waiting: str | None = None
    for name in names:
        if Experiment.knobs()[name].choices:
            yield name, None
        elif waiting is None:
            waiting = name
        else:
            yield waiting, name
            waiting = None
    if waiting is not None:
        yield waiting, None


def _pair(left: str, right: str | None, locked: Collection[str]) -> None:
    if right is None:
        field(left, left, locked=left in locked)
        return
    for column, name in zip(st.columns(2, gap="small"), (left, right), strict=True):
        with column:
            field(name, name, locked=name in locked)


def field(name: str, key: str, label: str | None = None, locked: bool = False) -> None:
    """One field's control: choose what is offered or, where the field is no choice of names, type a value."""
    knob = Experiment.knobs()[name]
    offered = list(offered_texts(name))
    current = st.session_state.get(key)
    if current is not None and current not in offered:
        offered.append(current)
    st.selectbox(
        label or knob.label,
        options=offered,
        format_func=lambda text: _shown(name, text),
        key=key,
        help=None if label else f"{knob.help} Allowed: {knob.allowed}.",
        accept_new_options=not knob.choices,
        on_change=link.touch,
        disabled=locked,
    )


def _shown(name: str, text: str) -> str:
    if name == "hidden":
        widths = text.split("-")
        return f"{len(widths)} × {widths[0]}" if len(widths) > 1 and len(set(widths)) == 1 else text
    if name == "dataset":
        return DATASETS.get(text, text)
    return Experiment.knobs()[name].choices.get(text, text)


def _use_preset() -> None:
    name = st.session_state.pop("preset", None)
    if name in presets:
        fill(st.session_state, Comparison(presets[name]))
    link.touch()


def _vary() -> None:
    """Another field differs: start it from two values worth comparing."""
    base, _ = Experiment.salvage(
        {name: text for name, text in read(st.session_state).items() if name in Experiment.knobs()}
    )
    st.session_state["a"], st.session_state["b"] = suggested_values(base, st.session_state["vary"])
    link.touch()
