"""The Playground's controls: one for each field of an Experiment, made from its Knob, and those of the arms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.comparison import (
    ARM_PARAMETERS,
    LEAST_ARMS,
    MOST_ARMS,
    Comparison,
    changes_query,
    further_value,
    letters,
    offered_texts,
    suggested_values,
)
from bnviz.experiment.knob import Knob, parse_widths
from bnviz.experiment.preset_comparisons import preset_comparisons
from bnviz.ui.parts import link

MORE = (
    "first_layer_scale",
    "schedule",
    "warmup",
    "momentum",
    "weight_decay",
    "gradient_clipping",
    "dropout",
    "residual",
    "bias",
    "normalized_layers",
    "norm_momentum",
    "norm_epsilon",
    "train_examples",
    "seed",
    "device",
)
"""Fields folded away under More: most comparisons do not change them."""

OF_ONE_KIND = ("groups", "ghost_batch", "renorm_start")
"""Settings of one kind of normalization, which have no control beside any other."""

PRESET_LABELS = {
    "first-look": "First look",
    "figure-1": "The paper’s Figure 1",
    "careless-start": "A careless start",
    "deep-relu": "Deep, with ReLU",
    "convolutional": "Convolutional",
    "two-spirals": "Two spirals",
    "family": "The family of normalizations",
    "batch-of-two": "A batch of two",
    "residual-50": "Fifty residual layers",
    "transformer-block": "Transformer-style blocks",
}

_CHANGES: Final = "playground.changes"
"""What is changed while the arms train, as a link's parameters: no control shows it."""


def fill(comparison: Comparison) -> None:
    """Set every control of the Playground to what `comparison` says, before it is drawn.

    The box of presets too, and it nowhere else: it names the preset that the arms are, or none.
    """
    _fill_arms(comparison)
    st.session_state[_CHANGES] = changes_query(comparison.interventions)
    arms = replace(comparison, interventions=())
    chosen = next((name for name, preset in preset_comparisons.items() if preset == arms), None)
    st.session_state["preset"] = chosen


def _fill_arms(comparison: Comparison) -> None:
    fill_fields(comparison.base)
    st.session_state["vary"] = comparison.vary
    _fill_values(comparison.values)


def _fill_values(values: Sequence[str]) -> None:
    """Set the arms' controls. Those of arms that there are not are None."""
    for index, key in enumerate(ARM_PARAMETERS):
        st.session_state[key] = values[index] if index < len(values) else None


def _values() -> list[str]:
    """What the arms' controls say, arm by arm."""
    return list(_said(ARM_PARAMETERS).values())


def fill_fields(experiment: Experiment, prefix: str = "") -> None:
    """Set the controls of an experiment's fields, before they are drawn. prefix: of their keys.

    Those that are not drawn are set as well: Streamlit would forget them.
    """
    for name, text in experiment.texts().items():
        st.session_state[prefix + name] = text


def read() -> dict[str, str]:
    """What the controls of the Playground say, as a link's parameters."""
    said: dict[str, str] = _said((*Experiment.knobs(), "vary", *ARM_PARAMETERS)) | st.session_state[_CHANGES]
    return said


def read_fields(prefix: str = "") -> dict[str, str]:
    """What the controls of an experiment's fields say, as a link's parameters."""
    return _said(Experiment.knobs(), prefix)


def _said(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    values = {name: st.session_state.get(prefix + name) for name in names}
    return {name: str(value) for name, value in values.items() if value is not None}


def show(restrictions: Restrictions, most: int = MOST_ARMS) -> None:
    """Draw the controls, without those that the link hides; those that it locks cannot be changed.

    most: how many arms there may be.
    """
    hidden, locked = restrictions.hidden, restrictions.locked
    if locked:
        st.caption("What is grey is fixed for this lesson.")
    if "preset" not in hidden:
        st.selectbox(
            "Start from",
            options=list(preset_comparisons),
            index=None,
            format_func=lambda name: PRESET_LABELS.get(name, name),
            key="preset",
            placeholder="Choose an example …",
            on_change=_use_preset,
            disabled="preset" in locked,
        )
    idle = _without_effect()
    _what_differs(restrictions, idle, most)
    absent = {*hidden, *(name for name in OF_ONE_KIND if name in idle)}
    knobs = {name: knob for name, knob in Experiment.knobs().items() if name not in absent}
    shown = [name for name in knobs if name not in MORE and name != st.session_state["vary"]]
    for group in dict.fromkeys(knobs[name].group for name in shown):
        with st.container(gap="xsmall"):
            st.caption(f"**{group}**")
            for left, right in _pairs([name for name in shown if knobs[name].group == group]):
                _pair(left, right, locked, idle)
    more = [name for name in MORE if name in knobs and name != st.session_state["vary"]]
    if more:
        with st.expander("More"):
            for name in more:
                field(name, name, locked=name in locked, idle=idle.get(name, ""))


def _without_effect() -> Mapping[str, str]:
    """The fields that change nothing in any arm, each with the reason."""
    comparison, _ = Comparison.salvage(read())
    try:
        first, *others = (arm.without_effect for arm in comparison.arms)
    except ExperimentError:  # the page says which value is not allowed
        return {}
    return {name: reason for name, reason in first.items() if all(name in other for other in others)}


def _what_differs(restrictions: Restrictions, idle: Mapping[str, str], most: int) -> None:
    """The field in which the arms differ and its value in each, where the link does not hide them."""
    knobs, vary = Experiment.knobs(), st.session_state["vary"]
    choice, values = ("vary" not in restrictions.hidden), (vary not in restrictions.hidden)
    if not choice and not values:
        return
    count = len(_values())
    with st.container(border=True, gap="xsmall"):
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
    """The value of each arm: of two side by side, of more below each other."""
    if count == LEAST_ARMS:
        for column, key in zip(st.columns(2, gap="small"), ARM_PARAMETERS, strict=False):
            with column:
                field(vary, key, key.upper(), locked=locked)
        return
    for key in ARM_PARAMETERS[:count]:
        with st.container(horizontal=True, vertical_alignment="center", gap=None, key=f"arm-{key}"):
            st.markdown(f"**{key.upper()}**", width=20)
            field(vary, key, key.upper(), locked=locked, labelled=False)


def _number_of_arms(vary: str, most: int) -> None:
    """One more arm, where the field has a value for it; one less, where there are more than two."""
    values = _values()
    left = further_value(_base(), vary, values) is not None
    with st.container(horizontal=True, gap="small", key="number-of-arms"):
        if len(values) < MOST_ARMS:
            why = "" if left else "Every value of this field is taken."
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
    values = _values()
    value = further_value(_base(), st.session_state["vary"], values)
    if value is not None:
        _fill_values([*values, value])
    link.touch()


def _remove() -> None:
    """Do without the last arm, and without what is changed in it alone."""
    said, _ = Comparison.salvage(read())
    if len(said.values) > LEAST_ARMS:
        _fill_values(said.values[:-1])
        st.session_state[_CHANGES] = changes_query(said.interventions[:-1])
    link.touch()


def _base() -> Experiment:
    return Experiment.salvage(read_fields())[0]


def _pairs(names: list[str]) -> Iterable[tuple[str, str | None]]:
    """Names two by two; a field whose values are long, as those of choices and widths, stands alone."""
    waiting: str | None = None
    for name in names:
        if Experiment.knobs()[name].choices or name == "hidden":
            yield name, None
        elif waiting is None:
            waiting = name
        else:
            yield waiting, name
            waiting = None
    if waiting is not None:
        yield waiting, None


def _pair(left: str, right: str | None, locked: Collection[str], idle: Mapping[str, str]) -> None:
    if right is None:
        field(left, left, locked=left in locked, idle=idle.get(left, ""))
        return
    for column, name in zip(st.columns(2, gap="small"), (left, right), strict=True):
        with column:
            field(name, name, locked=name in locked, idle=idle.get(name, ""))


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
        format_func=lambda text: knob.words(parse_widths(text) if name == "hidden" else text),
        key=key,
        help=None if label else " ".join(filter(None, [idle, knob.help, f"Allowed: {_allowed(knob)}."])),
        accept_new_options=not knob.choices,
        on_change=link.touch,
        disabled=locked or bool(idle),
        label_visibility="visible" if labelled else "collapsed",
    )


def _allowed(knob: Knob) -> str:
    """What a field takes, in the words of its control: the labels of its choices."""
    return "; ".join(knob.choices.values()) if knob.choices else knob.allowed


def _use_preset() -> None:
    """Start from the preset chosen. A box whose callback changes the box itself may ignore the next choice."""
    name = st.session_state["preset"]
    if name is not None:
        _fill_arms(preset_comparisons[name])
    link.touch()


def _vary() -> None:
    """Start the field that now differs from values worth comparing, of as many arms as before where it has so many."""
    said, _ = Comparison.salvage(read())
    values = suggested_values(_base(), st.session_state["vary"], len(said.values))
    _fill_values(values)
    st.session_state[_CHANGES] = changes_query(said.interventions[: len(values)])
    link.touch()
