"""The Labs page: each lab tests one claim of the paper. Predict, run, see, and read what was measured."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from bnviz.labs import all_labs
from bnviz.labs.base import Lab
from bnviz.runs import TooCostlyError
from bnviz.runs.lab_run import LabRun
from bnviz.ui.pages import labs_figures, labs_question, labs_verdict
from bnviz.ui.pages.labs_visit import PAGE, PREFIX, Visit
from bnviz.ui.parts import classroom_frame, classroom_share, lab_cards, layout, link
from bnviz.ui.parts.person import person
from bnviz.web import state

_RUNS = "labs.runs"
_STYLE = Path(__file__).parents[1] / "static" / "labs.css"


def show() -> None:
    """Draw the page: the list of labs, or the one that the link names."""
    visit, ignored = Visit.asked(link.opened(PAGE), PREFIX)
    visit.set_controls(PREFIX)
    shown = classroom_frame.apply(PAGE)
    st.html(f"<style>{_STYLE.read_text()}</style>")
    layout.notice_ignored(ignored)
    if visit.lab:
        _lab(all_labs()[visit.lab], visit, shown)
    else:
        _list()
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, visit.to_query())


def _go(name: str) -> None:
    for parameter, value in {"lab": name, "said": "", "unit": 0, "images": False}.items():
        st.session_state[PREFIX + parameter] = value
    link.touch()


def _list() -> None:
    layout.intro("<b>The paper’s claims, one by one.</b> Predict, run, see, and be told what was measured.")
    lab_cards.show(_go)


def _lab(lab: Lab, visit: Visit, shown: classroom_frame.Shown) -> None:
    """The lab's text beside its figures; on a phone the question, the first figure and the verdict in this order."""
    _heading(lab, visit)
    try:
        lab_run = _lab_run(lab, visit)
    except TooCostlyError as error:
        lab_run = None
        st.error(str(error), icon=":material/block:")
        if visit.said:
            st.button("Change it", on_click=labs_question.commit, args=("",), key="labs.change")
    if lab_run:
        shown.follow(lab_run.run)
    with st.container(key="lab"):
        with st.container(key="lab-question"):
            with st.container(key="lab-claim-told" if visit.said else "lab-claim"):
                mark = f"“{lab.quote}”" if lab.verbatim else f"{lab.quote} *(the claim in our words)*"
                st.markdown(f"> {mark}  \n> {lab.source}")
            labs_question.predict(lab, visit)
        further = labs_figures.first_figure(lab, lab_run, visit) if lab_run else ()
        with st.container(key="lab-after"):
            if lab_run and lab_run.done and visit.said:
                labs_verdict.show(lab, lab_run, visit)
            if visit.said:
                with st.expander("What is behind it"):
                    st.markdown(lab.explanation)
        if lab_run:
            with st.container(key="lab-more"):
                labs_figures.further_figures(lab, lab_run, visit, further)


def _heading(lab: Lab, visit: Visit) -> None:
    """The page's first line: the way back, the title, and the way on, which in a lesson is the lesson's own."""
    labs = lab_cards.in_order()
    place = labs.index(lab)
    alone = "lesson" not in link.frame()
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lab-heading"):
        if alone:
            icon = ":material/chevron_left:"
            st.button(
                "Labs", icon=icon, key="labs.all", on_click=_go, args=("",), type="tertiary", help="All labs"
            )
        st.title(lab.title, anchor=False, width="stretch")
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


def _lab_run(lab: Lab, visit: Visit) -> LabRun:
    """This person's run of the lab in this setting."""
    mine: dict[tuple[str, bool, bool, int, int], str] = st.session_state.setdefault(_RUNS, {})
    manager = state.manager()
    key = (lab.name, visit.full, visit.images, visit.seeds, visit.steps)
    found = state.lab_runs().get(mine.get(key, ""))
    if found is None or manager.get(found.run.id) is None:
        found = state.lab_runs().open(lab, visit.setting, manager, person())
        mine[key] = found.run.id
    return found
