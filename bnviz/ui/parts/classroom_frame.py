"""How a link has a page shown: on a projector, with controls hidden or locked, as a part of a lesson."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from bnviz.classroom.lesson_part import LINKED, Place
from bnviz.classroom.lesson_plans import LessonPlanError, find_plan
from bnviz.classroom.restrictions import Restrictions, controls
from bnviz.runs import Run
from bnviz.ui.parts import layout, lesson_beside, link, own_lesson

PROJECTOR = "projector"
_PARTS = Path(__file__).parents[1] / "static" / "projector.css"

_LARGE = """
html { font-size: 22px; }
.stAppHeader, header, [data-testid="stSidebar"], [data-testid="stToolbar"], [data-testid="stExpandSidebarButton"] {
  display: none !important;
}
.stMainBlockContainer { padding: 1rem 1.6rem 2rem !important; max-width: none !important; }
.stElementContainer:has(.bnviz-intro), [class*="st-key-"][class*="-share"] { display: none; }
h1 { font-size: 1.7rem !important; }
:root:root { --bnviz-lesson: 16rem; }
.st-key-lesson-beside :is(p, li, h2) { font-size: 0.8rem !important; }
"""
_NO_SIDEBAR = """
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], [data-testid="stSidebarCollapsedControl"] {
  display: none !important;
}
"""


@dataclass(frozen=True)
class Shown:
    """How the page is shown. lesson: the part of a lesson beside it, None without a lesson."""

    restrictions: Restrictions
    lesson: lesson_beside.Beside | None = None

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that the part asks for; none for all."""
        return self.lesson.part.figures if self.lesson else ()

    @property
    def marked_layer(self) -> int | None:
        """The layer that the part's text speaks of."""
        return self.lesson.part.marked_layer if self.lesson else None

    def follow(self, run: Run) -> None:
        """Let the lesson's part speak of this run, which the page shows."""
        if self.lesson:
            self.lesson.follow(run)


def apply(page: Place) -> Shown:
    """Set up the page as its link asks. Call it after `link.opened`.

    The page "class" opens the page that the lesson's part belongs to.
    """
    asked = link.frame()
    restrictions, ignored = Restrictions.salvage(asked)
    ignored = (*ignored, *enlarge())
    if restrictions.hidden >= set(controls()):
        st.html(f"<style>{_NO_SIDEBAR}</style>")
    beside = None
    if "lesson" in asked:
        try:
            beside = lesson_beside.show(page, find_plan(asked["lesson"]), asked.get("part", ""))
        except LessonPlanError as error:
            ignored = (*ignored, str(error))
    layout.notice_ignored(ignored, key="ignored-frame")
    return Shown(restrictions, beside)


def enlarge() -> tuple[str, ...]:
    """Show the page as its link asks, large on a projector. Returns what it asks for in vain."""
    view = link.frame().get("view")
    if view == PROJECTOR:
        st.html(f"<style>{_LARGE}{_PARTS.read_text()}</style>")
    elif view is not None:
        return (f"view = {view[:40]!r} is not allowed; allowed is {PROJECTOR}",)
    return ()


def foot() -> None:
    """What stands at the page's end: projector mode, and the page as a part of one's own lesson."""
    on = link.frame().get("view") == PROJECTOR
    with st.container(horizontal=True, gap="small", key="page-foot"):
        _projector_button(on)
        if link.page() in LINKED and not on and "lesson" not in link.frame():
            own_lesson.add_button(link.page())


def _projector_button(on: bool) -> None:
    st.button(
        "Leave projector mode" if on else "Projector mode",
        icon=":material/desktop_windows:" if on else ":material/present_to_all:",
        key="classroom.projector",
        type="tertiary",
        help=None if on else "Large type and thick lines, nothing around them: to be read from the back row.",
        on_click=link.reframe,
        kwargs={"view": None if on else PROJECTOR},
    )
