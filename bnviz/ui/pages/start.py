"""The page Start: the paper as a lesson for one reader, its parts, and the other lessons."""

from __future__ import annotations

from typing import Final

import streamlit as st

from bnviz.classroom.lesson_plans import LessonPlan, LessonPlanError, all_plans, find_plan
from bnviz.ui.parts import classroom_frame, layout, lesson_beside, lesson_cards, link, memory
from bnviz.ui.parts.page_state import PageState

PAGE: Final = "start"
THE_PAPER: Final = "the-paper"

_STYLE = """
<style>
.stMainBlockContainer [data-testid="stHeading"] h2 { padding: 0.25rem 0; font-size: 1.3rem; }
.st-key-start-parts button { min-height: 2rem; padding-block: 0.1rem; }
</style>
"""


def show() -> None:
    """Draw the page."""
    layout.notice_ignored((*PageState.salvage(link.opened(PAGE) or {})[1], *classroom_frame.enlarge()))
    st.html(_STYLE)
    layout.intro(
        "<b>What happens inside a deep network while it trains, and what does batch normalization change?</b>"
    )
    plans, _ = all_plans()
    left = memory.places({})
    paper, others = st.columns(2, gap="large")
    with paper:
        try:
            _contents(find_plan(THE_PAPER), left.get(THE_PAPER, 1))
        except LessonPlanError as error:
            layout.notice_ignored((str(error),), key="ignored-paper")
    with others:
        st.header("Other lessons", anchor=False)
        lesson_cards.show([plan for plan in plans if plan.name != THE_PAPER], left)
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, {})


def _contents(plan: LessonPlan, left: int) -> None:
    """What the lesson is, where to begin or go on, and each of its parts. left: the part at which it was left."""
    st.header(layout.plain(plan.title), anchor=False)
    st.markdown(plan.about)
    at = min(left, len(plan.parts))
    word = f"Go on at part {at}" if at > 1 else "Begin"
    if st.button(word, key="start.begin", type="primary", icon=":material/play_arrow:"):
        lesson_beside.go(plan, at)
    with st.container(key="start-parts", gap=None):
        for number, part in enumerate(plan.parts, 1):
            if st.button(f"{number}. {part.title}", key=f"start.part.{number}", type="tertiary"):
                lesson_beside.go(plan, number)
