"""The figures of a run as they stand below each other on a page, with the choice of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from bnviz.experiment.knob import POINT_DATASETS
from bnviz.figures.registry import FIGURES
from bnviz.recording import Recording
from bnviz.runs import Run
from bnviz.ui.parts import link, live


def curves(run: Run, prefix: str) -> None:
    """How well the networks do: accuracy, and loss, or the boundary of what is two-dimensional."""
    left, right = st.columns(2, gap="medium")
    with left:
        _figure(run, "accuracy", prefix)
    with right:
        _figure(run, "boundary" if flat(run.recordings) else "loss", prefix)


def bands(run: Run, prefix: str) -> None:
    """What each layer's nonlinearity receives; the choice is in the state under prefix + layer, unit, before."""
    state, widest = st.session_state, max(run.recordings, key=lambda item: len(item.widths))
    names = widest.layer_names
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = st.selectbox(
            "Layer",
            options=range(len(names) + 1),
            format_func=lambda number: names[number - 1] if number else "all layers",
            key=f"{prefix}layer",
            on_change=link.touch,
            width=150,
        )
        if layer:
            st.number_input(
                "Unit",
                min_value=0,
                max_value=units(run.recordings, layer),
                step=1,
                key=f"{prefix}unit",
                help="One unit as in the paper’s Figure 1, counted from 1; 0 takes all units together.",
                on_change=link.touch,
                width=130,
            )
        before = st.toggle(
            "before normalization",
            key=f"{prefix}before",
            help="What enters the normalizer, Wu + b, instead of what enters the nonlinearity.",
            on_change=link.touch,
        )
    unit = state.get(f"{prefix}unit") if layer else None
    where = "before" if before else "input"
    _figure(run, "bands", prefix, layer=layer or None, unit=unit or None, where=where)


def details(run: Run, prefix: str) -> None:
    """Everything else, one click away."""
    last = min(len(item.widths) for item in run.recordings)
    two_dimensional = flat(run.recordings)
    panes = st.tabs(["Histogram and slope", "Gradients", "Drift", "Saturation", *["Loss"] * two_dimensional])
    with panes[0]:
        layer = min(st.session_state.get(f"{prefix}layer") or last, last)
        _figure(run, "histogram", prefix, layer=layer)
    for pane, name in zip(panes[1:], ["gradients", "drift", "saturation", "loss"], strict=False):
        with pane:
            _figure(run, name, prefix)


def flat(recordings: Sequence[Recording]) -> bool:
    """Whether all networks learned from points in the plane."""
    return all(item.watched is None and item.experiment.dataset in POINT_DATASETS for item in recordings)


def units(recordings: Sequence[Recording], layer: int) -> int:
    """How many units a layer, counted from 1, has in each of the networks that have it."""
    return min(item.widths[layer - 1] for item in recordings if layer <= len(item.widths))


def _figure(run: Run, name: str, prefix: str, **arguments: Any) -> None:
    subjects = [item.subject for item in run.recordings]
    heights = FIGURES[name].size(subjects, **arguments)
    live.figure(run, name, key=f"{prefix}{name}", heights=heights, **arguments)
