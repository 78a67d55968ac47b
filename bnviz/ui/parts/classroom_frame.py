"""How a link has a page shown: on a projector, with controls hidden or locked, as a part of a lesson."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from bnviz.classroom.lesson_plans import LessonPlan, LessonPlanError, Place, find_plan
from bnviz.classroom.restrictions import Restrictions, controls
from bnviz.ui.parts import layout, link

PROJECTOR = "projector"
_PARTS = Path(__file__).parents[1] / "static" / "projector.css"
_PAGES = Path(__file__).resolve().parents[3] / "pages"

_LARGE = """
html { font-size: 22px; }
.stAppHeader, header, [data-testid="stSidebar"], [data-testid="stToolbar"], [data-testid="stExpandSidebarButton"] {
  display: none !important;
}
.stMainBlockContainer { padding: 1rem 1.6rem 2rem !important; max-width: none !important; }
.bnviz-intro, [class*="st-key-"][class*="-share"] { display: none; }
h1 { font-size: 1.7rem !important; }
"""
_NO_SIDEBAR = """
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], [data-testid="stSidebarCollapsedControl"] {
  display: none !important;
}
"""


def apply(page: Place) -> Restrictions:
    """Set up the page as its link asks. Returns the controls to hide or lock. Call it after `link.opened`.

    The page "class" opens the page that the lesson's part belongs to.
    """
    asked = link.frame()
    restrictions, ignored = Restrictions.salvage(asked)
    ignored = (*ignored, *enlarge())
    if restrictions.hidden >= set(controls()):
        st.html(f"<style>{_NO_SIDEBAR}</style>")
    if "lesson" in asked:
        try:
            _lesson(page, find_plan(asked["lesson"]), asked.get("part", ""))
        except LessonPlanError as error:
            ignored = (*ignored, str(error))
    layout.notice_ignored(ignored, key="ignored-frame")
    return restrictions


def enlarge() -> tuple[str, ...]:
    """Show the page as its link asks, large on a projector. Returns what it asks for in vain."""
    view = link.frame().get("view")
    if view == PROJECTOR:
        st.html(f"<style>{_LARGE}{_PARTS.read_text()}</style>")
    elif view is not None:
        return (f"view = {view[:40]!r} is not allowed; allowed is {PROJECTOR}",)
    return ()


def foot() -> None:
    """The button, at the page's end, that enters and leaves projector mode."""
    on = link.frame().get("view") == PROJECTOR
    st.button(
        "Leave projector mode" if on else "Projector mode",
        icon=":material/desktop_windows:" if on else ":material/present_to_all:",
        key="classroom.projector",
        type="tertiary",
        help=None if on else "Large type and thick lines, nothing around them: to be read from the back row.",
        on_click=link.reframe,
        kwargs={"view": None if on else PROJECTOR},
    )


def _lesson(page: Place, lesson: LessonPlan, number: str) -> None:
    """The text of the lesson's part that the page shows, with Back and Next."""
    place, part = lesson.part(number)
    if page == "class" and part.place != page:
        go(lesson, place)
    with st.container(border=True, key="lesson"):
        st.caption(f"{layout.plain(lesson.title)} · part {place} of {len(lesson.parts)}")
        st.markdown(f"#### {layout.plain(part.title)}")
        if part.text:
            st.markdown(part.shown_text)
        with st.container(horizontal=True, gap="small"):
            if place > 1:
                _turn_button(lesson, place - 1, "Back")
            if place < len(lesson.parts):
                _turn_button(lesson, place + 1, "Next")
            st.space("stretch")
            if st.button("Leave the lesson", key="lesson.leave", type="tertiary"):
                st.switch_page(_PAGES / "class.py", query_params=_view())


def _turn_button(lesson: LessonPlan, number: int, word: str) -> None:
    onward = word == "Next"
    pressed = st.button(
        word,
        key=f"lesson.{word}",
        type="primary" if onward else "secondary",
        help=lesson.parts[number - 1].title,
        icon=":material/arrow_forward:" if onward else ":material/arrow_back:",
        icon_position="right" if onward else "left",
    )
    if pressed:
        go(lesson, number)


def go(lesson: LessonPlan, number: int) -> None:
    """Open a part of a lesson, counted from 1, on the page that it belongs to. Does not return."""
    place: Place = lesson.parts[number - 1].place
    st.switch_page(_PAGES / f"{place}.py", query_params=lesson.query(number) | _view())


def _view() -> dict[str, str]:
    """The parameter `view`, which is kept from page to page."""
    return {name: text for name, text in link.frame().items() if name == "view"}
