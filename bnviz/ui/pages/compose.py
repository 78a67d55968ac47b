"""The page Write a lesson: parts with text and an address each, in an order; the browser keeps the draft."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Final

import streamlit as st

from bnviz.classroom.draft import Draft, DraftPart, keep
from bnviz.classroom.lesson_part import shown
from bnviz.classroom.lesson_plans import LessonPlan, LessonPlanError, all_plans
from bnviz.classroom.teachers_link import is_teacher
from bnviz.ui.parts import classroom_frame, layout, lesson_beside, link, memory, own_lesson
from bnviz.ui.parts.page_state import PageState
from bnviz.web.peer import at_the_server

PAGE: Final = "compose"
PREFIX: Final = "compose."
_HEADS = ("title", "about")
_KEPT = "compose.kept"
HEAD_WIDTH = 480
"""Pixels of the two lines above; on a phone they stand below each other."""


def show() -> None:
    """Draw the page."""
    layout.notice_ignored(PageState.salvage(link.opened(PAGE) or {})[1])
    layout.intro(
        "<b>Write a lesson.</b><span> Every page of bnviz is a link: put links in an order, with your text.</span>"
    )
    own_lesson.remember(memory.draft(own_lesson.told()))
    draft, index = own_lesson.draft(), own_lesson.place()
    _set_controls(draft, index)
    _head()
    parts, editor = st.columns([1, 2], gap="large")
    with parts:
        _parts(draft, index)
    with editor:
        _editor(draft.parts[index])
    _finish(draft)
    classroom_frame.foot()
    layout.footer()
    link.write(PAGE, {})


def _set_controls(draft: Draft, index: int) -> None:
    """Set the controls to the draft, before they are drawn."""
    for name in _HEADS:
        st.session_state[f"{PREFIX}{name}"] = getattr(draft, name)
    for item in fields(DraftPart):
        st.session_state[f"{PREFIX}part.{item.name}"] = getattr(draft.parts[index], item.name)
    st.session_state[f"{PREFIX}place"] = index


def _take() -> None:
    """Take what the controls say into the draft."""
    draft, index, state = own_lesson.draft(), own_lesson.place(), st.session_state
    said = {item.name: state[f"{PREFIX}part.{item.name}"] for item in fields(DraftPart)}
    heads = {name: state[f"{PREFIX}{name}"] for name in _HEADS}
    own_lesson.write(replace(draft.with_part(index, DraftPart(**said)), **heads))


def _head() -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name, words, most in (
            ("title", "Title of the lesson", 120),
            ("about", "For whom, and how long it takes", 500),
        ):
            st.text_input(words, key=PREFIX + name, max_chars=most, on_change=_take, width=HEAD_WIDTH)
        with st.popover("Begin from another lesson"):
            st.caption("Your draft is replaced by a copy.")
            for plan in all_plans()[0]:
                st.button(
                    layout.plain(plan.title),
                    key=f"{PREFIX}copy.{plan.name}",
                    on_click=_copy,
                    args=(plan.name,),
                )


def _copy(name: str) -> None:
    own_lesson.write(Draft.copy_of(name), 0)


def _parts(draft: Draft, index: int) -> None:
    """The parts in their order, and what can be done with the one that is open."""
    st.radio(
        "Parts",
        range(len(draft.parts)),
        format_func=lambda at: f"{at + 1}. {layout.plain(draft.parts[at].title) or '…'}",
        key=f"{PREFIX}place",
        on_change=lambda: own_lesson.go(st.session_state[f"{PREFIX}place"]),
    )
    last = len(draft.parts) - 1
    with st.container(horizontal=True, gap="small"):
        for word, icon, made, at, off in (
            ("Add a part", "add", draft.with_added(DraftPart(title="New part")), last + 1, False),
            ("Move up", "arrow_upward", draft.with_moved(index, -1), index - 1, index == 0),
            ("Move down", "arrow_downward", draft.with_moved(index, 1), index + 1, index == last),
            ("Remove", "delete", draft.without(index), max(index - 1, 0), False),
        ):
            st.button(
                word,
                icon=f":material/{icon}:",
                key=f"{PREFIX}{word}",
                on_click=own_lesson.write,
                args=(made, at),
                disabled=off,
            )
    st.caption(
        "Every page has **Add to my lesson** at its end: it adds a part that opens the page as it stands."
    )


def _editor(part: DraftPart) -> None:
    """The fields of the open part, and how it will look."""
    key = f"{PREFIX}part."
    st.text_input("Title of the part", key=f"{key}title", max_chars=120, on_change=_take)
    st.text_area("Text, in Markdown", key=f"{key}text", max_chars=8000, height=160, on_change=_take)
    st.text_input(
        "Opens the page",
        key=f"{key}link",
        max_chars=2000,
        placeholder="paste an address of bnviz, or leave it empty",
        on_change=_take,
    )
    with st.expander(
        "Numbers, a question, notes", expanded=bool(part.measured or part.question or part.notes)
    ):
        st.text_input(
            "A sentence with numbers of the run",
            key=f"{key}measured",
            max_chars=500,
            placeholder="By step {{step}} layer 3 has moved {{moved.A.3}} in A.",
            help="The names of numbers stand in docs/lessons.md.",
            on_change=_take,
        )
        st.text_input("Question", key=f"{key}question", max_chars=500, on_change=_take)
        st.text_area("Options, one a line", key=f"{key}options", max_chars=3000, on_change=_take)
        st.number_input("Number of the right option", 1, 6, key=f"{key}answer", on_change=_take)
        st.text_input("Explanation of the answer", key=f"{key}explanation", max_chars=2000, on_change=_take)
        st.text_area("Notes for the teacher", key=f"{key}notes", max_chars=8000, on_change=_take)
    if part.kept:
        st.caption(f"Also, from the lesson that you copied: {layout.plain(part.kept.strip())}")
    st.session_state.setdefault(f"{key}kept", part.kept)
    if part.title or part.text or part.question:
        _preview(part)
    if trouble := part.trouble():
        st.error(layout.plain(trouble), icon=":material/error:")


def _preview(part: DraftPart) -> None:
    """The part as it will look."""
    st.caption("As students see it")
    with st.container(border=True):
        if part.title:
            st.markdown(f"**{layout.plain(part.title)}**")
        st.markdown(shown(part.text))
        if part.question:
            st.markdown(f"**{layout.plain(part.question)}**")
            st.markdown(
                "\n".join(f"- {layout.plain(line)}" for line in part.options.splitlines() if line.strip())
            )


def _finish(draft: Draft) -> None:
    """Download the file; keep it on this server, where that is allowed, and open it."""
    name = re.sub(r"[^a-z0-9]+", "-", draft.title.lower()).strip("-")[:60] or "my-lesson"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.download_button(
            "Download the lesson",
            draft.to_toml(),
            f"{name}.toml",
            "text/plain",
            key=f"{PREFIX}download",
            icon=":material/download:",
        )
        if is_teacher(link.frame().get("teacher", "")) or at_the_server(
            st.context.ip_address, st.context.headers
        ):
            st.button(
                "Keep it on this server",
                key=f"{PREFIX}keep",
                type="primary",
                on_click=_keep,
                args=(draft, name),
            )
        kept: LessonPlan | None = st.session_state.get(_KEPT)
        if kept and st.button("Open it", key=f"{PREFIX}open", help=f"/class?lesson={kept.name}"):
            lesson_beside.go(kept, 1)
    st.caption(
        f"Students open it at /class?lesson={name} once it is kept on the server; a downloaded file goes into the "
        "folder lessons of the server’s BNVIZ_HOME. Until then this browser keeps the draft."
    )


def _keep(draft: Draft, name: str) -> None:
    try:
        st.session_state[_KEPT] = keep(draft, name)
    except (LessonPlanError, OSError) as error:
        st.toast(str(error), icon=":material/error:", duration="long")
    else:
        st.toast(f"Kept as {name}.", icon=":material/bookmark_added:")
