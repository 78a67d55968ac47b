"""The live feeds, opened files and kept runs as cards: what each is, and buttons for what can be done with it."""

from __future__ import annotations

import base64
import functools
import html
from collections.abc import Callable, Collection, Sequence

import streamlit as st

from bnviz.figures.frame.arms import MAX_ARMS
from bnviz.figures.thumbnail import thumbnail
from bnviz.figures.wording import labels, settings
from bnviz.recording.file import SUFFIX
from bnviz.recording.library import Credentials, Entry, LibraryError
from bnviz.recording.library.store import MOST_TEXT
from bnviz.runs.feeds import Feed
from bnviz.ui.parts import layout, library, link
from bnviz.ui.parts.opened_files import OpenedFile, opened_files
from bnviz.web import state

MOST_CARDS = 30
COLUMNS = 3
MOST_DOWNLOADS = 12
"""Download buttons in one menu; a lab of many seeds has more files."""

_DELETING = "runs.deleting"
"""The session's run about which it is asked whether to delete it."""


def show(entries: Sequence[Entry], in_all: int, looked_at: Collection[str]) -> None:
    """Draw a card for each live feed, for each opened file and for each entry.

    in_all: how many runs are kept, found or not. looked_at: the arms in the figures, as `ArmChoice.text`.
    """
    who = library.credentials()
    drawn: list[Callable[[], None]] = [
        *(functools.partial(_feed, feed, looked_at) for feed in state.manager().feeds.all()),
        *(functools.partial(_file, file, looked_at) for file in opened_files().values()),
        *(functools.partial(_entry, entry, who, looked_at) for entry in entries[:MOST_CARDS]),
    ]
    if not in_all:
        st.info(
            "Nothing is kept yet. Press **Keep** below the figures of the Playground or of a lab, "
            "or open a file that bnviz has saved.",
            icon=":material/bookmark:",
        )
    else:
        room = f"{library.library().bytes / 1e6:,.1f} of {library.library().most / 1e6:,.0f} MB"
        st.caption(
            f"{len(entries)} of {in_all} kept runs; {room}. When it is full, the oldest runs that "
            "are not pinned are deleted."
        )
    for first in range(0, len(drawn), COLUMNS):
        columns = st.columns(COLUMNS, gap="medium")
        for column, draw in zip(columns, drawn[first : first + COLUMNS], strict=False):
            with column, st.container(border=True, height="stretch"):
                draw()
    if len(entries) > MOST_CARDS:
        st.caption(f"{len(entries) - MOST_CARDS} more: search for them with Find.")


def _entry(entry: Entry, who: Credentials, looked_at: Collection[str]) -> None:
    _picture(entry.thumbnail, entry.title)
    pin = ":material/keep: " if entry.pinned else ""
    st.markdown(f"{pin}**{layout.plain(entry.title)}**")
    if entry.verdict:
        st.markdown(layout.plain(entry.verdict))
    st.caption(layout.plain(entry.settings))
    size = f"{entry.bytes / 1e6:.2f} MB"
    st.caption(f"{layout.plain(entry.source)}, {entry.kept_at:%d %B %Y, %H\\:%M} UTC, {size}")
    texts = [f"{entry.id}.{place}" for place in range(len(entry.arms))]
    st.space("stretch")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _show_button(entry.id, texts, looked_at)
        with st.popover("More", icon=":material/more_horiz:", type="tertiary"):
            for place, arm in enumerate(entry.arms[:MOST_DOWNLOADS]):
                _download(
                    f"Download {layout.plain(arm.label)}",
                    functools.partial(library.library().content, entry.id, place),
                    f"{entry.id[:8]}-{place + 1}",
                    f"{entry.id}.{place}",
                )
            if len(entry.arms) > MOST_DOWNLOADS:
                st.caption(f"The first {MOST_DOWNLOADS} of {len(entry.arms)} files.")
            if entry.may_change(who):
                st.button(
                    "Unpin" if entry.pinned else "Pin",
                    icon=":material/keep:",
                    help="A pinned run stays, however full the library is.",
                    key=f"runs.pin.{entry.id}",
                    on_click=_change,
                    args=(functools.partial(library.library().pin, entry.id, not entry.pinned, who),),
                    width="stretch",
                )
                name = f"runs.name.{entry.id}"
                st.session_state[name] = entry.title
                st.text_input("Title", key=name, max_chars=MOST_TEXT, on_change=_rename, args=(entry, who))
                _delete(entry, who)
            else:
                st.caption("Only who kept it, or whoever sits at the server, may rename, pin or delete it.")


def _rename(entry: Entry, who: Credentials) -> None:
    title = st.session_state[f"runs.name.{entry.id}"]
    _change(functools.partial(library.library().rename, entry.id, title, who))


def _delete(entry: Entry, who: Credentials) -> None:
    """A button that asks before it deletes: what is deleted is gone for everybody."""
    if st.session_state.get(_DELETING) != entry.id:
        st.button(
            "Delete …",
            icon=":material/delete:",
            key=f"runs.delete.{entry.id}",
            on_click=_ask_to_delete,
            args=(entry.id,),
            width="stretch",
        )
        return
    st.markdown("Delete this run for ever? Its files are removed from the server.")
    st.button(
        "Delete for ever",
        icon=":material/delete_forever:",
        key=f"runs.delete.really.{entry.id}",
        on_click=_change,
        args=(functools.partial(library.library().delete, entry.id, who),),
        width="stretch",
    )
    st.button(
        "Cancel", key=f"runs.delete.not.{entry.id}", on_click=_ask_to_delete, args=("",), width="stretch"
    )


def _ask_to_delete(run: str) -> None:
    """Ask about this run; "" asks about none."""
    st.session_state[_DELETING] = run
    link.touch()


def _feed(feed: Feed, looked_at: Collection[str]) -> None:
    recordings = feed.recordings
    _picture(thumbnail(recordings), feed.name)
    st.markdown(f":material/{'sensors' if feed.live else 'sensors_off'}: **{layout.plain(feed.name)}**")
    st.caption(feed.message)
    st.space("stretch")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for place, series in enumerate(feed.series):
            text = f"{feed.id}.{place}"
            _show_button(text, [text], looked_at, f" {series.mode}" * (len(feed.series) > 1))
        library.button(lambda: library.ToKeep(feed.recordings, "Watched"), key=f"runs.keep.{feed.id}")


def _file(file: OpenedFile, looked_at: Collection[str]) -> None:
    recordings = file.series
    _picture(thumbnail(recordings), file.name)
    st.markdown(f":material/draft: **{layout.plain(file.name)}**")
    st.markdown(layout.plain(", ".join(labels(recordings))))
    st.caption(layout.plain(settings(recordings)))
    st.caption("Opened from a file, for you alone")
    st.space("stretch")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for place, item in enumerate(file.series):
            text = f"{file.id}.{place}"
            key = text if place else file.id
            _show_button(key, [text], looked_at, f" {item.mode}" * (len(file.series) > 1))
        library.button(lambda: library.ToKeep(recordings, "File"), key=f"runs.keep.{file.id}")
        with st.popover("More", icon=":material/more_horiz:", type="tertiary"):
            _download("Download", file.recording.to_bytes, file.id[4:], file.id)
            st.button(
                "Close",
                icon=":material/close:",
                key=f"runs.close.{file.id}",
                on_click=_close,
                args=(file.id,),
            )


def _picture(svg: str, title: str) -> None:
    data = base64.b64encode(svg.encode()).decode()
    alt = html.escape(f"Bands of the last layers: {title}")
    st.html(f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}" style="width:100%;height:auto">')


def _show_button(run: str, texts: Sequence[str], looked_at: Collection[str], what: str = "") -> None:
    """The button that shows the arms of a run in the figures, or hides them. what: which of several of the run."""
    shown = any(text in looked_at for text in texts)
    st.button(
        f"Hide{what}" if shown else f"Show{what}",
        icon=":material/visibility_off:" if shown else ":material/visibility:",
        type="secondary" if shown else "primary",
        key=f"runs.show.{run}",
        on_click=_hide if shown else _look,
        args=(tuple(texts),),
        help=None if shown else f"Beside what is shown already, up to {MAX_ARMS} networks.",
    )


def _look(texts: tuple[str, ...]) -> None:
    """Show these arms first, then those shown before, up to MAX_ARMS."""
    here = [text for text in st.session_state["runs.arms"] if text not in texts]
    new = texts[:MAX_ARMS]
    st.session_state["runs.arms"] = [*here[: MAX_ARMS - len(new)], *new]
    link.touch()
    st.toast("The figures are above the list.", icon=":material/arrow_upward:")


def _hide(texts: tuple[str, ...]) -> None:
    st.session_state["runs.arms"] = [text for text in st.session_state["runs.arms"] if text not in texts]
    link.touch()


def _close(file: str) -> None:
    _hide(tuple(f"{file}.{place}" for place in range(len(opened_files()[file].series))))
    del opened_files()[file]


def _change(change: Callable[[], None]) -> None:
    link.touch()
    try:
        change()
    except LibraryError as error:
        st.toast(str(error), icon=":material/error:", duration="long")


def _download(label: str, content: Callable[[], bytes], name: str, key: str) -> None:
    """A button that saves a recording as bnviz-<name>.bnviz. The file is made when the button is pressed."""
    st.download_button(
        label,
        data=content,
        file_name=f"bnviz-{name}{SUFFIX}",
        mime="application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
        key=f"runs.download.{key}",
        width="stretch",
    )
