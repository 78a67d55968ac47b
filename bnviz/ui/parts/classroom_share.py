"""Sharing a run or a lesson with a class: the buttons, and the dialog with the links and the QR code."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

import streamlit as st

from bnviz.classroom.codes import spaced
from bnviz.classroom.invitation import AddressError, qr_code, reachable, read_address
from bnviz.classroom.lesson_plans import LessonPlan
from bnviz.classroom.room import Room
from bnviz.classroom.rooms import Opened, Rooms, open_rooms
from bnviz.classroom.store import StoreError
from bnviz.runs import Run, TooCostlyError
from bnviz.runs.lab_run import LabRun
from bnviz.ui.parts import layout
from bnviz.web import state
from bnviz.web.classes import student_link

_MINE = "classroom.mine"
_ADDRESS = "classroom.address"
_REFUSED = "classroom.refused"
_ELSEWHERE = "http://localhost:8501"
"""The page's address where Streamlit does not know it."""


def button(open_run: Callable[[], Run], key: str) -> None:
    """The button that shares the run that `open_run` returns, be it a lab's or not."""
    pressed = st.button(
        "Share with the class",
        icon=":material/qr_code_2:",
        key=key,
        help="You get a link and a QR code. Everyone who opens the link sees this run live; only you drive it.",
    )
    if pressed:
        try:
            run = open_run()
        except TooCostlyError as error:
            st.toast(str(error), icon=":material/block:", duration="long")
        else:
            share(run)


def lesson_button(plan: LessonPlan, key: str) -> None:
    """The button that opens a class on a lesson."""
    pressed = st.button(
        "Open a class on it",
        icon=":material/co_present:",
        key=key,
        help="You turn the parts of the lesson; phones follow. Every question keeps its votes.",
    )
    if pressed:
        teach(plan)


@st.dialog("A class on this lesson", width="large", icon=":material/co_present:")
def teach(plan: LessonPlan) -> None:
    """The dialog: start a class on the lesson, or show the links of the one that this session has on it."""
    try:
        rooms = open_rooms()
        mine = _mine(rooms)
        room = rooms.find(mine.code) if mine else None
        if mine is None or room is None or room.plan != plan:
            address, _ = reachable(_here())
            mine = rooms.start_lesson(plan, address)
            st.session_state[_MINE] = mine
            room = rooms.find(mine.code)
        if room is not None:
            st.markdown(f"**{layout.plain(plan.title)}**, {len(plan.parts)} parts")
            _links(rooms, room, mine)
    except StoreError as error:
        st.error(str(error))


@st.dialog("Share with the class", width="large", icon=":material/qr_code_2:")
def share(run: Run) -> None:
    """The dialog: start a class that looks at this run, or show the run to the class there is."""
    try:
        rooms = open_rooms()
        mine = _mine(rooms)
        if mine is None:
            mine = _start(rooms, run)
        room = rooms.find(mine.code)
        if room is None:
            return
        if room.at.run is not run:
            _choose(rooms, room, run)
            return
        _links(rooms, room, mine)
    except StoreError as error:
        st.error(str(error))


def _mine(rooms: Rooms) -> Opened | None:
    """The class that this session started last, unless it has ended."""
    opened: Opened | None = st.session_state.get(_MINE)
    room = None if opened is None else rooms.find(opened.code)
    return None if room is None or room.row.ended else opened


def _start(rooms: Rooms, run: Run) -> Opened:
    address, _ = reachable(_here())
    opened = rooms.start(run, _lab_run(run), address)
    st.session_state[_MINE] = opened
    return opened


def _choose(rooms: Rooms, room: Room, run: Run) -> None:
    """Ask whether the class, which looks at another run, should look at this one."""
    kept = (
        "You can turn back to the lesson; its answers are kept."
        if room.plan
        else "The answers given so far are deleted."
    )
    st.markdown(
        f"Your class **{spaced(room.code)}** looks at something else. Show this run to the class? "
        f"The link stays the same. {kept}"
    )
    with st.container(horizontal=True):
        if st.button("Show this run to the class", type="primary"):
            rooms.show(room, run, _lab_run(run))
            st.rerun(scope="fragment")
        if st.button("Start another class"):
            _start(rooms, run)
            st.rerun(scope="fragment")


def _links(rooms: Rooms, room: Room, mine: Opened) -> None:
    """The links for the students, the teacher and the projector."""
    link = student_link(room.row.address, _base(), room.code)
    teacher = f"{student_link(_origin(), _base(), room.code)}#teacher={mine.key}"
    wall = f"{student_link(_origin(), _base(), room.code)}?view=projector#teacher={mine.key}"
    left, right = st.columns([2, 3], gap="large")
    with left:
        picture = base64.b64encode(qr_code(link).encode()).decode()
        st.html(
            f'<img src="data:image/svg+xml;base64,{picture}" alt="QR code of the link for students" '
            'style="width: 280px; max-width: 100%">'
        )
        st.caption(f"Class {spaced(room.code)}")
    with right:
        st.markdown("**For students**")
        st.code(link, language=None, wrap_lines=True)
        st.session_state[_ADDRESS] = room.row.address
        st.text_input(
            "Address of this computer for others",
            key=_ADDRESS,
            max_chars=200,
            help="The first part of the link. Change it if students cannot open the link.",
            on_change=_move,
            args=(rooms, room),
        )
        if refused := st.session_state.pop(_REFUSED, ""):
            st.error(refused)
        if not _found(room.row.address):
            st.info("This computer seems to have no network: others cannot open this link.")
        with st.container(horizontal=True):
            st.link_button("Open your page", teacher, type="primary", icon=":material/co_present:")
            st.link_button("Open the projector", wall, icon=":material/present_to_all:")
        with st.expander("Your own link: keep it secret"):
            st.code(teacher, language=None, wrap_lines=True)
            st.caption("Whoever has it can play, pause and change the run, and ask the class.")


def _move(rooms: Rooms, room: Room) -> None:
    """Take the address that was typed, or note why it is none."""
    try:
        rooms.move(room, read_address(st.session_state[_ADDRESS]))
    except (AddressError, StoreError) as error:
        st.session_state[_REFUSED] = str(error)


def _lab_run(run: Run) -> LabRun | None:
    return state.lab_runs().get(run.id)


def _here() -> str:
    return st.context.url or _ELSEWHERE


def _origin() -> str:
    parts = urlsplit(_here())
    return f"{parts.scheme}://{parts.netloc}"


def _base() -> str:
    return state.prefix(st.get_option("server.baseUrlPath"))


def _found(address: str) -> bool:
    return reachable(address)[0] == address
