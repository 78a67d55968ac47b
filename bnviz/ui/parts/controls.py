"""The Playground's controls: one for each field of an Experiment, made from its Knob, and those of the two arms."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment, presets
from bnviz.experiment.comparison import ARM_PARAMETERS, Comparison, offered_texts, suggested_values
from bnviz.experiment.knob import Knob, parse_widths
from bnviz.ui.parts import link

MORE = (
    "first_layer_scale",
    "schedule",
    "warmup",
    "momentum",
    "weight_decay",
    "gradient_clipping",
    "dropout",
    "train_examples",
    "seed",
    "device",
)
"""Fields folded away under More: most comparisons do not change them."""

PRESET_LABELS = {
    "first-look": "First look",
    "figure-1": "The paper’s Figure 1",
    "careless-start": "A careless start",
    "deep-relu": "Deep, with ReLU",
    "convolutional": "Convolutional",
    "two-spirals": "Two spirals",
}


def fill(comparison: Comparison) -> None:
    """Set every control of the Playground to what `comparison` says, before it is drawn.

    The box of presets too, and it nowhere else: it names the preset that the two arms are, or none.
    """
    _fill_arms(comparison)
    arms = replace(comparison, interventions=((), ()))
    chosen = next((name for name, base in presets.items() if Comparison(base) == arms), None)
    st.session_state["preset"] = chosen


def _fill_arms(comparison: Comparison) -> None:
    fill_fields(comparison.base)
    st.session_state["vary"] = comparison.vary
    st.session_state["a"], st.session_state["b"] = comparison.values


def fill_fields(experiment: Experiment, prefix: str = "") -> None:
    """Set the controls of an experiment's fields, before they are drawn. prefix: of their keys.

    Those that are not drawn are set as well: Streamlit would forget them.
    """
    for name, text in experiment.texts().items():
        st.session_state[prefix + name] = text


def read() -> dict[str, str]:
    """What the controls of the Playground say, as a link's parameters."""
    return _said((*Experiment.knobs(), "vary", *ARM_PARAMETERS))


def read_fields(prefix: str = "") -> dict[str, str]:
    """What the controls of an experiment's fields say, as a link's parameters."""
    return _said(Experiment.knobs(), prefix)


def _said(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    values = {name: st.session_state.get(prefix + name) for name in names}
    return {name: str(value) for name, value in values.items() if value is not None}


def show(restrictions: Restrictions) -> None:
    """Draw the controls, without those that the link hides; those that it locks cannot be changed."""
    hidden, locked = restrictions.hidden, restrictions.locked
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
    """The field in which the two arms differ and its two values, where the link does not hide them."""
    knobs, vary = Experiment.knobs(), st.session_state["vary"]
    choice, values = ("vary" not in restrictions.hidden), (vary not in restrictions.hidden)
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
    """Names two by two; a field with choices, whose labels are long, stands alone."""
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
    """One field's control: choose a value or, where the field has no fixed choices, type one."""
    knob = Experiment.knobs()[name]
    offered = list(offered_texts(name))
    current = st.session_state.get(key)
    if current is not None and current not in offered:
        offered.append(current)
    st.selectbox(
        label or knob.label,
        options=offered,
        format_func=lambda text: knob.words(parse_widths(text) if name == "hidden" else text),
        key=key,
        help=None if label else f"{knob.help} Allowed: {_allowed(knob)}.",
        accept_new_options=not knob.choices,
        on_change=link.touch,
        disabled=locked,
    )


def _allowed(knob: Knob) -> str:
    """What a field takes, in the words of its control: the labels of its choices."""
    return "; ".join(knob.choices.values()) if knob.choices else knob.allowed


def _use_preset() -> None:
    """Start from the preset chosen. A box whose callback changes the box itself may ignore the next choice."""
    name = st.session_state["preset"]
    if name is not None:
        _fill_arms(Comparison(presets[name]))
    link.touch()


def _vary() -> None:
    """Start the field that now differs from two values worth comparing."""
    base, _ = Experiment.salvage(read_fields())
    st.session_state["a"], st.session_state["b"] = suggested_values(base, st.session_state["vary"])
    link.touch()
