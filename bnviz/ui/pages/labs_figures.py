"""A lab's figures: the one that answers its question, and the further ones."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from bnviz.labs.base import Drawing, Lab, View
from bnviz.runs.lab_run import LabRun
from bnviz.ui.pages.labs_visit import Visit
from bnviz.ui.parts import handouts, library, link, live


@dataclass(frozen=True)
class Shown:
    """A figure of the lab. heights: in pixels, wide and narrow."""

    item: Drawing
    heights: tuple[int, int]


def first_figure(lab: Lab, lab_run: LabRun, visit: Visit) -> tuple[Shown, ...]:
    """The bar and the figure that answers the question; returns the further figures.

    Before there is a prediction nothing can be played: the figure has empty axes.
    """
    first, *further = _figures(lab, lab_run, visit)
    with st.container(key="lab-figure", gap="xsmall"):
        if visit.said:
            key = f"labs.bar.{lab.name}"
            live.transport(lab_run.run, can_drive=True, simple=True, key=key, on_change=link.touch)
        else:
            st.caption("This is what will be measured. Lock in your answer, then play.")
        _figure(
            lab, lab_run, visit, first, fill="xaxis" in first.item.plot.layout
        )  # a table keeps its height
    return tuple(further)


def further_figures(lab: Lab, lab_run: LabRun, visit: Visit, further: tuple[Shown, ...]) -> None:
    """The other figures, what was trained for them, and the button that keeps it."""
    for shown in further:
        _figure(lab, lab_run, visit, shown)
    networks = len(lab_run.run.arms)
    steps = sum(arm.steps for arm in lab_run.run.arms)
    st.caption(f"{networks} networks on {lab_run.setting.examples}, {steps:,} training steps in all.")
    if lab.units:
        st.number_input(
            visit.parameters()["unit"].label,
            min_value=0,
            max_value=lab.units,
            key="labs.unit",
            on_change=link.touch,
            width=230,
        )
    with st.container(horizontal=True, gap="small", key="labs-files"):
        if lab_run.trained:
            library.button(lambda: _to_keep(lab, lab_run), key="labs.keep")
        handouts.worksheet(lab)


def _figures(lab: Lab, lab_run: LabRun, visit: Visit) -> list[Shown]:
    result = lab_run.result()
    wide, narrow = (lab.figures(result, View(unit=visit.unit or None, narrow=flag)) for flag in (False, True))
    heights = {item.name: item.plot.height for item in narrow}
    return [Shown(item, (item.plot.height, heights[item.name])) for item in wide]


def _figure(lab: Lab, lab_run: LabRun, visit: Visit, shown: Shown, fill: bool = False) -> None:
    """A figure below the sentence that says what to look for."""
    item = shown.item
    st.caption(item.caption)
    key = f"labs.{lab.name}.{item.name}"
    live.drawing(
        lab_run.run,
        item,
        key=key,
        heights=shown.heights,
        fill=fill,
        unit=visit.unit,
        guess=lab.guess(visit.said),
    )


def _to_keep(lab: Lab, lab_run: LabRun) -> library.ToKeep:
    """What Keep keeps: every network, and the verdict if there is one."""
    setting = lab_run.setting
    names = [
        f"{arm.label}, seed {seed + 1}" if setting.seed_count > 1 else arm.label
        for arm in lab.arms(setting)
        for seed in range(setting.seeds_of(arm))
    ]
    verdict = lab.verdict(lab_run.result()).said if lab_run.done and not lab_run.trouble else ""
    return library.ToKeep(lab_run.run.recordings, "Lab", lab.title, names, verdict)
