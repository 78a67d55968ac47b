"""The Runs page: kept runs, recordings opened from files, and what other programs train now, alone or together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

import streamlit as st

from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.recording.file import UPLOAD_BYTES
from bnviz.recording.library import LibraryError
from bnviz.runs import Run
from bnviz.ui.pages import runs_cards
from bnviz.ui.parts import arm_choice, extra_arms, layout, library, link, live, notes, run_figures
from bnviz.ui.parts.opened_files import take_in
from bnviz.ui.parts.page_state import Parameter
from bnviz.ui.parts.person import person
from bnviz.ui.parts.run_figures import Look, Networks
from bnviz.ui.parts.served import PAGES
from bnviz.web import state

PAGE: Final = "runs"
PREFIX: Final = "runs."
PLAYGROUND = PAGES / "playground.py"
FOLLOW_SECONDS = 3.0
_RUNS = "runs.runs"
_REFUSED = "runs.refused"


@dataclass(frozen=True)
class Visit(Look):
    """The parameters of a link to the page.

    arms: what is looked at, as `ArmChoice.text`. find: only runs of which these words are true are listed.
    """

    arms: Annotated[tuple[str, ...], Parameter("Laid over each other")] = ()
    find: Annotated[str, Parameter("Find", most=100)] = ""


def show() -> None:
    """Draw the page."""
    query = link.opened(PAGE)
    try:
        entries = library.library().entries()
    except LibraryError as error:
        entries = ()
        st.error(layout.plain(str(error)), icon=":material/block:")
    known = {item.text: item.label for item in arm_choice.choices(entries)}
    arms, run, ignored = _looked_at(Visit.asked(query, PREFIX)[0].arms, known)
    networks = Networks.of(run.recordings) if run else None
    visit, more = Visit.asked(query, PREFIX, networks)
    visit = replace(visit, arms=arms, at=visit.at if run else None)
    visit.set_controls(PREFIX)

    for sentence in st.session_state.pop(_REFUSED, ()):
        st.error(f"{layout.plain(sentence)}.", icon=":material/block:")
    layout.notice_ignored((*ignored, *more))
    layout.intro(
        "<b>Runs worth keeping,</b> recordings from files, and what your own programs train now: look at any step "
        "again, or lay up to five networks over each other."
    )
    _tools()
    if run and networks:
        visit = replace(visit, at=_stage(run, networks, visit, known))
        st.session_state[f"{PREFIX}at"] = visit.at  # set on the bar, which is no control
    found = [entry for entry in entries if entry.matches(visit.find)]
    runs_cards.show(found, len(entries), visit.arms)
    _follow(_feeds())
    layout.footer(elsewhere=True)
    link.write(PAGE, visit.to_query())


def _looked_at(
    asked: tuple[str, ...], known: Mapping[str, str]
) -> tuple[tuple[str, ...], Run | None, tuple[str, ...]]:
    """Of the arms asked for those that are there, their run if there is one, and a sentence for what is ignored."""
    ignored = [f"{len(asked)} arms are not allowed; allowed are {MAX_ARMS}"] if len(asked) > MAX_ARMS else []
    there = tuple(text for text in asked[:MAX_ARMS] if text in known)
    run, unreadable = _run(there)
    ignored += unreadable
    if gone := [text for text in asked[:MAX_ARMS] if text not in known]:
        ignored.append(f"{gone[0][:40]!r} is not kept here, or no more")
    return there if run else (), run, tuple(ignored)


def _run(texts: tuple[str, ...]) -> tuple[Run | None, list[str]]:
    """The run that shows these arms, None without arms; and a sentence for each that cannot be read."""
    mine: dict[tuple[str, ...], str] = st.session_state.setdefault(_RUNS, {})
    run = state.manager().get(mine.get(texts, ""))
    if run is not None or not texts:
        return run, []
    there, missing = [], []
    for text in texts:
        try:
            there.append(arm_choice.shown(text))
        except LibraryError as error:
            missing.append(str(error).rstrip("."))
    if missing or not there:
        return None, missing
    run = state.manager().show(there, person())
    mine[texts] = run.id
    return run, []


def _feeds() -> tuple[object, ...]:
    """What a page shows of live feeds, but for what moves by itself."""
    return tuple(
        (feed.id, feed.live, *(len(item.notes) for item in feed.recordings))
        for feed in state.manager().feeds.all()
    )


@st.fragment(run_every=FOLLOW_SECONDS)
def _follow(drawn: tuple[object, ...]) -> None:
    """Draw the page anew when a program begins or ends to send, or tells more."""
    if _feeds() != drawn:
        st.rerun()


def _tools() -> None:
    """The controls to find a run and to open files."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.text_input(
            Visit.parameters()["find"].label,
            key=f"{PREFIX}find",
            max_chars=Visit.parameters()["find"].most,
            placeholder="sigmoid, lab, relu …",
            icon=":material/search:",
            on_change=link.touch,
            width=340,
        )
        with st.popover("Open files", icon=":material/upload_file:"):
            key = f"runs.upload.{st.session_state.setdefault('runs.turn', 0)}"
            st.file_uploader(
                "Recordings of bnviz",
                type="bnviz",
                accept_multiple_files=True,
                max_upload_size=UPLOAD_BYTES // 2**20,
                key=key,
                help="Files that bnviz has saved. They are shown to you alone, and not kept.",
                on_change=_open,
                args=(key,),
            )


def _open(key: str) -> None:
    """Open the uploaded files and look at them, beside what was looked at before."""
    state = st.session_state
    taken, state[_REFUSED] = take_in(state[key])
    state["runs.arms"] = [*(f"{file.id}.0" for file in taken), *state["runs.arms"]][:MAX_ARMS]
    state["runs.turn"] += 1  # an empty uploader in place of this one
    link.touch()


def _stage(run: Run, networks: Networks, visit: Visit, known: Mapping[str, str]) -> int | None:
    """The arms looked at, their scrubber and their figures. Returns the step looked back at."""
    there = {text.partition(".")[0] for text in visit.arms}
    room = extra_arms.room(link.left("playground"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.multiselect(
            visit.parameters()["arms"].label,
            options=[text for text in known if text.partition(".")[0] in there],
            format_func=lambda text: known.get(text, text),
            key=f"{PREFIX}arms",
            max_selections=MAX_ARMS,
            on_change=link.touch,
            width="stretch",
        )
        if st.button(
            "Compare with a live run",
            icon=":material/compare_arrows:",
            help=f"Take up to {room} of these to the Playground, beside the networks that train there."
            if room
            else "Five networks train on the Playground. Remove one there to make room.",
            disabled=not room,
        ):
            chosen = {extra_arms.PARAMETER: ",".join(visit.arms[:room])}
            st.switch_page(PLAYGROUND, query_params=link.left("playground") | chosen)
    at = live.transport(run, can_drive=False, at=visit.at, key="runs.bar", on_change=link.touch)
    live.readouts(run, layer=visit.layer or None, headed=True, key="runs.readouts")
    run_figures.overview(run, visit, networks, PREFIX)
    run_figures.details(run, visit, networks, PREFIX)
    notes.show(run.recordings)
    return at
