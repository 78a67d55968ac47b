"""The section "Which values share a mean?": one mini-batch, as two normalizers divide it."""

from __future__ import annotations

import streamlit as st

from bnviz.experiment.knob import NORMALIZERS, POINT_DATASETS
from bnviz.experiment.normalization import BY_STATISTICS
from bnviz.layer import numerals as n
from bnviz.layer.captured import SharedValues
from bnviz.layer.networks import CHANNELS, ghost_batch, with_maps
from bnviz.layer.sharing import MOST_FEATURES, content, miss
from bnviz.ui.inside import parts
from bnviz.ui.inside.asking import Ask
from bnviz.ui.inside.trained_with import NO_POSITIONS
from bnviz.ui.inside.view import PREFIX, View
from bnviz.ui.parts import link

_BLOCKS = f"{PREFIX}sharing"
GROUPS = 2


def show(ask: Ask, view: View) -> None:
    """Draw the section."""
    said = view.parameters()
    flat = ask.experiment.dataset in POINT_DATASETS
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        for name in ("first", "second"):
            st.selectbox(
                said[name].label,
                options=BY_STATISTICS,
                format_func=NORMALIZERS.__getitem__,
                key=f"{PREFIX}{name}",
                on_change=link.touch,
                width=250,
            )
        if not flat:
            st.toggle(
                said["positions"].label,
                key=f"{PREFIX}positions",
                help=said["positions"].help,
                on_change=_of_another_layer,
            )
    maps = view.positions and not flat
    names = (view.first, view.second)
    if "instance" in names and not maps:
        st.info(NO_POSITIONS)
        return
    asked = Ask(with_maps(ask.experiment)) if maps else ask
    layer = min(view.layer, len(CHANNELS)) if maps else view.layer
    ghosts = ghost_batch(view.examples)
    values: SharedValues | None = asked(
        "sharing:sharing",
        view.step,
        layer=layer,
        examples=view.examples,
        names=names,
        groups=_groups(asked, layer),
        ghost_batch=ghosts,
    )
    if values is None:
        return
    shown = content(values, NORMALIZERS, {name: "RMS" if name == "rms" else "σ" for name in names})
    last = len(shown["x"]) - 1
    parts.sharing(shown, min(view.at, last), key=_BLOCKS, on_chosen=_chosen)
    st.caption(_told(values, view, shown["features"] > shown["shape"][1]))


def _groups(ask: Ask, layer: int) -> int:
    """Two groups, or one where the layer's width is odd."""
    return GROUPS if ask.experiment.hidden[layer - 1] % GROUPS == 0 else 1


def _told(values: SharedValues, view: View, cut: bool) -> str:
    """What the picture is of, and what it leaves out."""
    feature = "channels" if values.x.ndim > 2 else "units"
    misses = max(miss(values.x, own) for own in values.by.values())
    return (
        f"Rows are the {len(values.x)} examples, columns the {feature} of layer {values.layer}; blue is positive, "
        "orange negative. Point at a value, or use the arrow keys: what shares its statistics is outlined. "
        f"Both pictures show the same values, of the network trained for {values.step:,} steps with batch "
        "normalization, before γ and β. "
        + (f"Group normalization has {GROUPS} groups here. " if "group" in values.by else "")
        + (
            f"Ghost batches have {ghost_batch(view.examples)} examples. "
            if "ghost-batch" in values.by
            else ""
        )
        + (f"The first {MOST_FEATURES} units are drawn; statistics are over all. " if cut else "")
        + f"The training engine’s own normalizers give the same x̂ to within {n.scientific(misses, 1)}."
    )


def _chosen() -> None:
    place = st.session_state[_BLOCKS]["chosen"]
    if place is not None:
        st.session_state[f"{PREFIX}at"] = int(place)
    link.touch()


def _of_another_layer() -> None:
    """The place of a value in one layer means nothing in the other."""
    st.session_state[f"{PREFIX}at"] = 0
    link.touch()
