"""The Class page: join a class, start one, open a lesson."""

from __future__ import annotations

from typing import Final

import streamlit as st

from bnviz.classroom.lesson_plans import all_plans
from bnviz.labs import all_labs
from bnviz.labs.base import Setting
from bnviz.runs import Run
from bnviz.ui.parts import (
    classroom_frame,
    classroom_join,
    classroom_share,
    lab_cards,
    layout,
    lesson_cards,
    link,
    memory,
)
from bnviz.ui.parts.page_state import PageState
from bnviz.ui.parts.person import person
from bnviz.ui.parts.served import PAGES
from bnviz.web import state

PAGE: Final = "class"
_STYLE = """
<style>
.stMainBlockContainer [data-testid="stHeading"] h2 { padding: 0.25rem 0; font-size: 1.3rem; }
</style>
"""


def show() -> None:
    """Draw the page, or the part of a lesson that the link names."""
    layout.notice_ignored(PageState.salvage(link.opened(PAGE) or {})[1])
    classroom_frame.apply(PAGE)
    st.html(_STYLE)
    if "lesson" not in link.frame():
        layout.intro(
            "<b>One run for the whole class.</b> Everybody sees the same networks train, live, on a phone."
        )
        join, start = st.columns(2, gap="large")
        with join:
            _join()
        with start:
            _start()
        _lessons()
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, {})


def _join() -> None:
    with st.container(border=True, height="stretch"):
        st.header("Join a class", anchor=False)
        classroom_join.form()
        st.caption("No name and no account are needed. You may also scan the code on the wall.")


def _start() -> None:
    with st.container(border=True, height="stretch"):
        st.header("Teach a class", anchor=False)
        _teach_lesson()
        labs = {lab.name: lab.title for lab in lab_cards.in_order()}
        name = st.selectbox(
            "Or one lab alone, that the class predicts",
            list(labs),
            format_func=labs.__getitem__,
            key="class.lab",
        )
        classroom_share.button(lambda: _lab(name), key="class.share")
        st.caption(
            "The class answers the lab’s question, discusses it and answers again. Then you play the lab. To share "
            "networks of your own, press *Share with the class* on the Playground."
        )


def _teach_lesson() -> None:
    plans = {plan.name: plan for plan in all_plans()[0]}
    if not plans:
        return
    name = st.selectbox(
        "The lesson that the class goes through",
        list(plans),
        format_func=lambda item: plans[item].title,
        key="class.teach",
    )
    classroom_share.lesson_button(plans[name], key="class.teach.open")
    st.caption(
        "You turn the parts, phones follow. Every question is asked before and after discussing; its answers are kept."
    )


def _lab(name: str) -> Run:
    """A run of the lab in the quick setting."""
    return state.lab_runs().open(all_labs()[name], Setting(quick=True), state.manager(), person()).run


def _lessons() -> None:
    plans, troubles = all_plans()
    st.header("Lessons", anchor=False)
    layout.notice_ignored(troubles, key="ignored-lessons")
    lesson_cards.show(plans, memory.places({}))
    if st.button("Write a lesson", key="class.compose", icon=":material/edit_note:"):
        st.switch_page(PAGES / "compose.py")
    st.caption(
        "A lesson plan puts labs and Playground settings in an order, with text between them. "
        "Write your own here, or as a TOML file in the folder lessons below BNVIZ_HOME: docs/lessons.md shows how."
    )
    lesson_cards.teachers_link()
