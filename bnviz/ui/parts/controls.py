"""The Playground's controls: one for each field of an Experiment, made from its Knob, and those of the two arms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment, ExperimentError, presets
from bnviz.experiment.comparison import ARM_PARAMETERS, Comparison, offered_texts, suggested_values
from bnviz.experiment.knob import Knob, parse_widths
from bnviz.experiment.presets import compared
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


def fill(comparison: Comparison) -> None:
    """Set every control of the Playground to what `comparison` says, before it is drawn.

    The box of presets too, and it nowhere else: it names the preset that the two arms are, or none.
    """
    _fill_arms(comparison)
    arms = replace(comparison, interventions=((), ()))
    chosen = next((name for name in presets if compared(name) == arms), None)
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
    idle = _without_effect()
    _what_differs(restrictions, idle)
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
    """The fields that change nothing in either arm, each with the reason."""
    comparison, _ = Comparison.salvage(read())
    try:
        first, second = (arm.without_effect for arm in comparison.arms)
    except ExperimentError:  # the page says which value is not allowed
        return {}
    return {name: reason for name, reason in second.items() if name in first}


def _what_differs(restrictions: Restrictions, idle: Mapping[str, str]) -> None:
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
            if vary in idle:
                st.caption(f"A and B are the same network. {idle[vary]}")


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


def field(name: str, key: str, label: str | None = None, locked: bool = False, idle: str = "") -> None:
    """One field's control: choose a value or, where the field has no fixed choices, type one.

    idle: why the field changes nothing now; then it cannot be changed.
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
    )


def _allowed(knob: Knob) -> str:
    """What a field takes, in the words of its control: the labels of its choices."""
    return "; ".join(knob.choices.values()) if knob.choices else knob.allowed


def _use_preset() -> None:
    """Start from the preset chosen. A box whose callback changes the box itself may ignore the next choice."""
    name = st.session_state["preset"]
    if name is not None:
        _fill_arms(compared(name))
    link.touch()


def _vary() -> None:
    """Start the field that now differs from two values worth comparing."""
    base, _ = Experiment.salvage(read_fields())
    st.session_state["a"], st.session_state["b"] = suggested_values(base, st.session_state["vary"])
    link.touch()
