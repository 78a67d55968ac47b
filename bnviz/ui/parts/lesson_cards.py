"""The lessons to choose from, and the link with which a teacher sees their notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.classroom.teachers_link import is_teacher, teachers_key
from bnviz.ui.parts import layout, lesson_beside, link
from bnviz.web.peer import at_the_server


def show(plans: Sequence[LessonPlan], left: Mapping[str, int]) -> None:
    """A line for each lesson: what it is, and the button that opens it. left: the part at which each was left."""
    for plan in plans:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{layout.plain(plan.title)}**  \n{layout.plain(plan.about)}", width="stretch")
            at = min(left.get(plan.name, 1), len(plan.parts))
            if at > 1 and st.button(f"Go on at part {at}", key=f"lesson.on.{plan.name}"):
                lesson_beside.go(plan, at)
            if st.button("Open", key=f"lesson.{plan.name}", help=f"Open {plan.title}"):
                lesson_beside.go(plan, 1)


def teachers_link() -> None:
    """On the server's own machine: turn the teacher's notes on or off."""
    if is_teacher(link.frame().get("teacher", "")):
        st.caption("This is the teacher’s link: lessons show their notes. Do not send it to students.")
        hide = partial(link.reframe, teacher=None)
        st.button("Hide the notes", key="lesson.unteach", type="tertiary", on_click=hide)
    elif at_the_server(st.context.ip_address, st.context.headers):
        st.button(
            "Show the teacher’s notes",
            key="lesson.teach",
            icon=":material/school:",
            type="tertiary",
            help="The page’s address then is the teacher’s link: keep it, and open it on any device.",
            on_click=link.reframe,
            kwargs={"teacher": teachers_key()},
        )
