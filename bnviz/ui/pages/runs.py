"""Runs: what was kept, and recordings opened from files; look at them, lay them over each other, compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import streamlit as st

from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.recording.file import UPLOAD_BYTES
from bnviz.recording.library import LibraryError
from bnviz.runs import Run
from bnviz.ui.pages import runs_cards
from bnviz.ui.parts import arm_choice, extra_arms, layout, library, link, live, run_figures
from bnviz.ui.parts.opened_files import take_in
from bnviz.ui.parts.person import person
from bnviz.web import state

PAGE = "runs"
PLAYGROUND = Path(__file__).resolve().parents[3] / "pages" / "playground.py"
_RUNS = "runs.runs"
_PREFIX = "runs."


@dataclass(frozen=True)
class Visit:
    """What a link to the page says.

    arms: what is looked at, as `ArmChoice.text`, at most MAX_ARMS. find: only runs of which these words
    are true are listed. layer, unit, before, at: as on the Playground.
    """

    arms: tuple[str, ...] = ()
    find: str = ""
    layer: int = 0
    unit: int = 0
    before: bool = False
    at: int | None = None

    @classmethod
    def salvage(cls, query: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """The Visit that a link's parameters describe, and one sentence for each that was ignored."""
        ignored = [f"{name[:40]!r} says nothing here" for name in query if name not in _PARAMETERS]
        numbers = {}
        for name in ("layer", "unit", "at"):
            text = query.get(name, "")
            if text.isascii() and text.isdecimal() and len(text) < 10:
                numbers[name] = int(text)
            elif text:
                ignored.append(f"{name} = {text[:40]!r} is not allowed; allowed is a whole number")
        chosen = tuple(dict.fromkeys(filter(None, query.get("arms", "").split(","))))
        if len(chosen) > MAX_ARMS:
            ignored.append(f"{len(chosen)} arms are not allowed; allowed are {MAX_ARMS}")
        visit = cls(
            arms=chosen[:MAX_ARMS],
            find=query.get("find", "")[:100],
            before=query.get("before") == "true",
            **numbers,
        )
        return visit, tuple(ignored)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        query = {"arms": ",".join(self.arms)} if self.arms else {}
        if self.find:
            query["find"] = self.find
        query |= {name: str(getattr(self, name)) for name in ("layer", "unit") if getattr(self, name)}
        if self.before:
            query["before"] = "true"
        return query | ({} if self.at is None else {"at": str(self.at)})


_PARAMETERS = tuple(item.name for item in fields(Visit))


def show() -> None:
    """Draw the page."""
    state = st.session_state
    ignored: list[str] = []
    opened = link.opened(PAGE)
    if opened is not None:
        visit, more = Visit.salvage(opened)
        ignored += more
        for name in _PARAMETERS:
            state[_PREFIX + name] = getattr(visit, name)
    for (
        name
    ) in _PARAMETERS:  # Streamlit forgets what belongs to a control that is not drawn, unless it is set
        state[_PREFIX + name] = state.get(_PREFIX + name, getattr(Visit, name))
    try:
        entries = library.library().entries()
    except LibraryError as error:
        entries = ()
        st.error(layout.plain(str(error)), icon=":material/block:")
    known = {item.text: item.label for item in arm_choice.choices(entries)}
    run, missing = _run([text for text in state["runs.arms"] if text in known])
    ignored += missing
    if gone := [text for text in state["runs.arms"] if text not in known]:
        ignored.append(f"{gone[0][:40]!r} is not kept here, or no more")
    state["runs.arms"] = [text for text in state["runs.arms"] if text in known and run is not None]

    for sentence in state.pop("runs.refused", ()):
        st.error(f"{layout.plain(sentence)}.", icon=":material/block:")
    layout.notice_ignored(ignored)
    layout.intro(
        "<b>Runs worth keeping,</b> and recordings from files: look at any step again, "
        "or lay up to five networks over each other."
    )
    _tools()
    state["runs.at"] = None if run is None else _stage(run, known)
    runs_cards.show([entry for entry in entries if entry.matches(state["runs.find"])], len(entries))
    layout.footer(elsewhere=True)
    visit = Visit(tuple(state["runs.arms"]), *(state[_PREFIX + name] for name in _PARAMETERS[1:]))
    link.write(PAGE, visit.to_query())


def _run(texts: list[str]) -> tuple[Run | None, list[str]]:
    """The run that shows these arms, None without any; and a sentence for each that cannot be read."""
    mine: dict[tuple[str, ...], str] = st.session_state.setdefault(_RUNS, {})
    run = state.manager().get(mine.get(tuple(texts), ""))
    if run is not None or not texts:
        return run, []
    recordings, missing = [], []
    for text in texts:
        try:
            recordings.append(arm_choice.recording(text))
        except LibraryError as error:
            missing.append(str(error).rstrip("."))
    if missing or not recordings:
        return None, missing
    run = state.manager().exhibit(recordings, person())
    mine[tuple(texts)] = run.id
    return run, []


def _tools() -> None:
    """Find a run, and open files."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.text_input(
            "Find",
            key="runs.find",
            max_chars=100,
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
    """Take in what was uploaded, and look at it together with what was looked at."""
    state = st.session_state
    taken, state["runs.refused"] = take_in(state[key])
    state["runs.arms"] = [*(f"{file.id}.0" for file in taken), *state["runs.arms"]][:MAX_ARMS]
    state["runs.turn"] += 1  # an empty uploader in place of this one
    link.touch()


def _stage(run: Run, known: Mapping[str, str]) -> int | None:
    """What is looked at: its arms, its figures, the scrubber. Returns the step looked back at."""
    state = st.session_state
    there = {text.partition(".")[0] for text in state["runs.arms"]}
    at = state["runs.at"]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.multiselect(
            "Laid over each other",
            options=[text for text in known if text.partition(".")[0] in there],
            format_func=lambda text: known.get(text, text),
            key="runs.arms",
            max_selections=MAX_ARMS,
            on_change=link.touch,
            width="stretch",
        )
        if st.button(
            "Compare with a live run",
            icon=":material/compare_arrows:",
            help=f"Take up to {extra_arms.MOST} of these to the Playground, beside the two networks that train there.",
        ):
            chosen = {extra_arms.PARAMETER: ",".join(state["runs.arms"][: extra_arms.MOST])}
            st.switch_page(PLAYGROUND, query_params=link.left("playground") | chosen)
    at = live.transport(run, can_drive=False, at=at, key="runs.bar", on_change=link.touch)
    live.readouts(run, layer=state["runs.layer"] or None, key="runs.readouts")
    run_figures.curves(run, _PREFIX)
    depth = max(len(item.widths) for item in run.recordings)
    state["runs.layer"] = state["runs.layer"] if state["runs.layer"] <= depth else 0
    most = run_figures.units(run.recordings, state["runs.layer"]) if state["runs.layer"] else 0
    state["runs.unit"] = min(state["runs.unit"], most)
    run_figures.bands(run, _PREFIX)
    run_figures.details(run, _PREFIX)
    return at
