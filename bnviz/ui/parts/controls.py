"""The Playground's controls: one for each field of an Experiment, made from its Knob, and those of the arms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import streamlit as st

from bnviz.classroom.restrictions import Restrictions
from bnviz.experiment import Experiment, ExperimentError
from bnviz.experiment.comparison import MOST_ARMS, Comparison
from bnviz.experiment.preset_comparisons import preset_comparisons
from bnviz.ui.parts import arm_controls, control_values, link
from bnviz.ui.parts.field_control import field

MORE = (
    "first_layer_scale",
    "schedule",
    "warmup",
    "momentum",
    "weight_decay",
    "gradient_clipping",
    "trainable",
    "dropout",
    "residual",
    "bias",
    "normalized_layers",
    "norm_momentum",
    "norm_epsilon",
    "train_examples",
    "batch_classes",
    "image_size",
    "augment",
    "input_normalization",
    "seed",
    "device",
)
"""Fields folded away under More: most comparisons do not change them."""

OF_ONE_KIND = ("groups", "ghost_batch", "renorm_start", "per_activation")
"""Settings of one kind of normalization, which have no control beside any other."""

PRESET_LABELS = {
    "first-look": "First look",
    "figure-1": "The paper’s Figure 1",
    "careless-start": "A careless start",
    "deep-relu": "Deep, with ReLU",
    "convolutional": "Convolutional",
    "inception": "Inception, on images",
    "two-spirals": "Two spirals",
    "family": "The family of normalizations",
    "batch-of-two": "A batch of two",
    "residual-50": "Fifty residual layers",
    "transformer-block": "Transformer-style blocks",
}


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
    arm_controls.show(restrictions, idle, most)
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


def _use_preset() -> None:
    """Start from the preset chosen. A box whose callback changes the box itself may ignore the next choice."""
    name = st.session_state["preset"]
    if name is not None:
        control_values.fill_arms(preset_comparisons[name])
    link.touch()


def _without_effect() -> Mapping[str, str]:
    """The fields that change nothing in any arm, each with the reason."""
    comparison, _ = Comparison.salvage(control_values.read())
    try:
        first, *others = (arm.without_effect for arm in comparison.arms)
    except ExperimentError:  # the page says which value is not allowed
        return {}
    return {name: reason for name, reason in first.items() if all(name in other for other in others)}


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
