"""The Labs page: each lab tests one claim of the paper. Predict, run, see, and read what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import streamlit as st

from bnviz.labs import all_labs
from bnviz.labs.base import FULL_SEEDS, Drawing, Lab, Setting, View
from bnviz.labs.predictions import Choice, PredictionError, Slider
from bnviz.labs.verdicts import Measure, Verdict
from bnviz.runs import TooCostlyError
from bnviz.runs.lab_run import LabRun
from bnviz.ui.parts import classroom_frame, classroom_share, handouts, lab_cards, layout, library, link, live
from bnviz.ui.parts.page_state import PageState, Parameter
from bnviz.ui.parts.person import person
from bnviz.web import state

PAGE: Final = "labs"
PREFIX: Final = "labs."
MOST_SEEDS = 10
MOST_STEPS = 50_000
_RUNS = "labs.runs"
_STYLE = Path(__file__).parents[1] / "static" / "labs.css"


def _most_units(visit: Visit, _: Any) -> int:
    return all_labs()[visit.lab].units if visit.lab else 0


def _check_said(said: str, visit: Visit, _: Any) -> None:
    """Refuse what is no answer to the lab's question."""
    if not visit.lab:
        raise ValueError("nothing where no lab is named")
    prediction = all_labs()[visit.lab].prediction
    try:
        prediction.read(said)
    except PredictionError:
        raise ValueError(prediction.allowed) from None


@dataclass(frozen=True)
class Visit(PageState):
    """The parameters of a link to the labs.

    lab: "" for the list. said: the prediction, as text; "" before there is one. seeds, steps: 0 for the
    lab's own choice. unit: the unit that figures of one unit show, counted from 1; 0 for the typical one.
    """

    lab: Annotated[str, Parameter(choices=all_labs())] = ""
    full: Annotated[
        bool,
        Parameter(
            "full size",
            f"MNIST and {FULL_SEEDS} seeds. Otherwise small digits and one seed.",
        ),
    ] = False
    seeds: Annotated[int, Parameter("Seeds (0: as many as the lab has)", high=MOST_SEEDS)] = 0
    steps: Annotated[int, Parameter("Steps (0: as many as the lab has)", high=MOST_STEPS)] = 0
    unit: Annotated[int, Parameter("Unit shown (0: a typical one)", high=_most_units)] = 0
    said: Annotated[str, Parameter(check=_check_said)] = ""

    @property
    def setting(self) -> Setting:
        """How much to train."""
        return Setting(quick=not self.full, seeds=self.seeds or None, steps=self.steps or None)


def show() -> None:
    """Draw the page: the list of labs, or the one that the link names."""
    visit, ignored = Visit.asked(link.opened(PAGE), PREFIX)
    visit.set_controls(PREFIX)
    classroom_frame.apply(PAGE)
    st.html(f"<style>{_STYLE.read_text()}</style>")
    layout.notice_ignored(ignored)
    if visit.lab:
        _lab(all_labs()[visit.lab], visit)
    else:
        _list()
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, visit.to_query())


def _go(name: str) -> None:
    st.session_state["labs.lab"], st.session_state["labs.said"], st.session_state["labs.unit"] = name, "", 0
    link.touch()


def _list() -> None:
    layout.intro("<b>The paper’s claims, one by one.</b> Predict, run, see, and be told what was measured.")
    lab_cards.show(_go)


def _lab(lab: Lab, visit: Visit) -> None:
    """The lab's text beside its figures; on a phone the question, the first figure and the verdict in this order."""
    _heading(lab, visit)
    try:
        lab_run = _lab_run(lab, visit)
    except TooCostlyError as error:
        lab_run = None
        st.error(str(error), icon=":material/block:")
        if visit.said:
            st.button("Change it", on_click=_commit, args=("",), key="labs.change")
    with st.container(key="lab"):
        with st.container(key="lab-question"):
            with st.container(key="lab-claim-told" if visit.said else "lab-claim"):
                mark = f"“{lab.quote}”" if lab.verbatim else f"{lab.quote} *(the claim in our words)*"
                st.markdown(f"> {mark}  \n> {lab.source}")
            _predict(lab, visit)
        further = _first_figure(lab, lab_run, visit) if lab_run else ()
        with st.container(key="lab-after"):
            if lab_run and lab_run.done and visit.said:
                _verdict(lab, lab_run, visit)
            if visit.said:
                with st.expander("What is behind it"):
                    st.markdown(lab.explanation)
        if lab_run:
            with st.container(key="lab-more"):
                _further_figures(lab, lab_run, visit, further)


def _heading(lab: Lab, visit: Visit) -> None:
    """The page's first line: the way back, the title, and the way on, which in a lesson is the lesson's own."""
    labs = list(all_labs().values())
    place = labs.index(lab)
    alone = "lesson" not in link.frame()
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lab-heading"):
        if alone:
            icon = ":material/chevron_left:"
            st.button(
                "Labs", icon=icon, key="labs.all", on_click=_go, args=("",), type="tertiary", help="All labs"
            )
        st.title(f"{lab.number}. {lab.title}", anchor=False, width="stretch")
        if lab_cards.find(lab.name):
            st.markdown(":material/done_all: done", width="content")
        classroom_share.button(lambda: _lab_run(lab, visit).run, key="labs.share")
        if not alone:
            return
        for icon, word, index in (
            ("chevron_left", "Previous", place - 1),
            ("chevron_right", "Next", place + 1),
        ):
            there = 0 <= index < len(labs)
            st.button(
                word,
                icon=f":material/{icon}:",
                icon_position="right" if word == "Next" else "left",
                key=f"labs.{word}",
                on_click=_go,
                args=(labs[index].name if there else "",),
                disabled=not there,
                type="tertiary",
                help=labs[index].title if there else None,
            )


def _predict(lab: Lab, visit: Visit) -> None:
    """Ask for a prediction, or show in one line the one that was made."""
    if visit.said:
        with st.expander(f"You said: **{lab.prediction.words(visit.said)}**", key="labs.answered"):
            st.markdown(lab.question)
        return
    st.markdown(f"**Before you run it, predict.** {lab.question}")
    answer: str | None
    if isinstance(lab.prediction, Choice):
        options = lab.prediction.options
        answer = st.radio(
            "Your prediction",
            list(options),
            index=None,
            format_func=options.__getitem__,
            key=f"labs.choice.{lab.name}",
            label_visibility="collapsed",
            on_change=link.touch,
        )
    else:
        answer = ",".join(f"{_slide(lab, item):.6g}" for item in lab.prediction.sliders)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            "Lock in my answer",
            type="primary",
            disabled=answer is None,
            key="labs.commit",
            on_click=_commit,
            args=(answer,),
        )
        with st.popover("Size of the run", type="tertiary"):
            _size(visit)


def _size(visit: Visit) -> None:
    """The settings that are set rarely."""
    said = visit.parameters()
    st.toggle(said["full"].label, key=f"{PREFIX}full", help=said["full"].help, on_change=link.touch)
    for name, most in (("steps", MOST_STEPS), ("seeds", MOST_SEEDS)):
        st.number_input(
            said[name].label,
            min_value=0,
            max_value=most,
            step=1000 if name == "steps" else 1,
            key=PREFIX + name,
            on_change=link.touch,
        )


def _slide(lab: Lab, item: Slider) -> float:
    return st.select_slider(
        item.label,
        item.notches,
        value=item.notches[item.start_notch],
        format_func=item.shown,
        key=f"labs.slider.{lab.name}.{item.label}",
        on_change=link.touch,
    )


def _commit(answer: str) -> None:
    st.session_state["labs.said"] = answer
    link.touch()


def _lab_run(lab: Lab, visit: Visit) -> LabRun:
    """This person's run of the lab in this setting."""
    mine: dict[tuple[str, bool, int, int], str] = st.session_state.setdefault(_RUNS, {})
    manager = state.manager()
    key = (lab.name, visit.full, visit.seeds, visit.steps)
    found = state.lab_runs().get(mine.get(key, ""))
    if found is None or manager.get(found.run.id) is None:
        found = state.lab_runs().open(lab, visit.setting, manager, person())
        mine[key] = found.run.id
    return found


def _first_figure(lab: Lab, lab_run: LabRun, visit: Visit) -> tuple[_Shown, ...]:
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


def _further_figures(lab: Lab, lab_run: LabRun, visit: Visit, further: tuple[_Shown, ...]) -> None:
    for shown in further:
        _figure(lab, lab_run, visit, shown)
    networks = len(lab_run.run.arms)
    steps = sum(arm.steps for arm in lab_run.run.arms)
    size = "MNIST" if not lab_run.setting.quick else "small digits"
    st.caption(
        f"{networks} networks on {size}, {steps:,} training steps in all, seeds: {lab_run.setting.seed_count}."
    )
    if lab.units:
        st.number_input(
            visit.parameters()["unit"].label,
            min_value=0,
            max_value=lab.units,
            key="labs.unit",
            on_change=link.touch,
            width=230,
        )
    if lab_run.trained:
        library.button(lambda: _to_keep(lab, lab_run), key="labs.keep")


@dataclass(frozen=True)
class _Shown:
    """A figure of the lab. heights: in pixels, wide and narrow."""

    item: Drawing
    heights: tuple[int, int]


def _figures(lab: Lab, lab_run: LabRun, visit: Visit) -> list[_Shown]:
    result = lab_run.result()
    wide, narrow = (lab.figures(result, View(unit=visit.unit or None, narrow=flag)) for flag in (False, True))
    heights = {item.name: item.plot.height for item in narrow}
    return [_Shown(item, (item.plot.height, heights[item.name])) for item in wide]


def _figure(lab: Lab, lab_run: LabRun, visit: Visit, shown: _Shown, fill: bool = False) -> None:
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
    seeds = lab_run.setting.seed_count
    names = [
        f"{arm.label}, seed {seed + 1}" if seeds > 1 else arm.label
        for arm in lab.arms(lab_run.setting)
        for seed in range(seeds)
    ]
    verdict = lab.verdict(lab_run.result()).said if lab_run.done and not lab_run.trouble else ""
    return library.ToKeep(lab_run.run.recordings, f"Lab {lab.number}", lab.title, names, verdict)


def _verdict(lab: Lab, lab_run: LabRun, visit: Visit) -> None:
    """What was measured, and whether the prediction was right."""
    if lab_run.trouble:
        st.error(f"There is no verdict: {lab_run.trouble}", icon=":material/error:")
        return
    result = lab_run.result()
    verdict = lab.verdict(result)
    score = lab.score(lab.prediction.read(visit.said), result)
    icon = {True: ":material/check_circle:", False: ":material/cancel:", None: ":material/help:"}
    lab_cards.note(lab, lab_run)
    lab_cards.recall()
    with st.container(key="labs-verdict", gap="xsmall"):
        st.markdown(f"## {icon[verdict.holds]} {verdict.word}.")
        st.markdown(verdict.said.removeprefix(f"{verdict.word}. "))
        st.markdown(f"{icon[score.right]} **Your prediction.** {score.sentence}")
        st.caption(f"The rule: {verdict.criterion}")
    with st.container(horizontal=True, gap="small"):
        handouts.report(lab_run.run, said=visit.said, unit=visit.unit)
        handouts.handout(lab_run.run, unit=visit.unit)
    with st.expander("Every number that was measured"):
        st.dataframe(_rows(verdict), hide_index=True)


def _rows(verdict: Verdict) -> list[dict[str, str]]:
    return [
        {"what": item.words, "median": _number(item.median), "lowest to highest of the seeds": _spread(item)}
        for item in verdict.measured.values()
    ]


def _spread(item: Measure) -> str:
    low, high = item.spread
    return f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.4g}" if math.isfinite(value) else "never"
