"""An arm of a kept run, an opened file or a live feed, and the short text that stands for it in a link: "id.0"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.figures.frame.arms import watched_name
from bnviz.recording import Recording
from bnviz.recording.library import Entry, LibraryError
from bnviz.runs.feeds import FeedSeries
from bnviz.ui.parts.library import library
from bnviz.ui.parts.opened_files import opened_files
from bnviz.web import state

_REFERENCE = re.compile(r"([0-9a-z]{1,40})\.([0-9]{1,3})")


@dataclass(frozen=True)
class ArmChoice:
    """An arm that can be shown. text: stands for it in a link. label: its name on the page."""

    text: str
    label: str


def choices(entries: Sequence[Entry]) -> list[ArmChoice]:
    """All series of live feeds, then all arms of this person's opened files and of the entries; labels are unique.

    They must be: Streamlit tells options apart by their labels.
    """
    found = [
        (f"{feed.id}.{place}", f"{series_label(series)} (live)")
        for feed in state.manager().feeds.all()
        for place, series in enumerate(feed.series)
    ]
    found += [
        (f"{file.id}.{place}", f"{file.name}{f', {item.mode} mode' * (len(file.series) > 1)} (file)")
        for file in opened_files().values()
        for place, item in enumerate(file.series)
    ]
    for entry in entries:
        origin = f"{entry.source}, {entry.kept_at:%d %b %H:%M}"
        found += [(f"{entry.id}.{place}", f"{arm.label} ({origin})") for place, arm in enumerate(entry.arms)]
    times: Counter[str] = Counter()
    unique = []
    for text, label in found:
        times[label] += 1
        unique.append(ArmChoice(text, f"{label} {times[label]}" if times[label] > 1 else label))
    return unique


def split(text: str) -> tuple[str, int]:
    """The run's or file's id and the arm's number. Raises LibraryError."""
    found = _REFERENCE.fullmatch(text)
    if not found:
        raise LibraryError(f"{text[:40]!r} names no arm of a kept run.")
    return found[1], int(found[2])


def series_label(series: FeedSeries) -> str:
    """What a series of a feed is called."""
    watched = series.recording.watched
    return watched_name(watched) if watched else series.feed.name


def shown(text: str) -> Recording | FeedSeries:
    """What `text` stands for: a Recording, or a series that may yet grow. Raises LibraryError."""
    run, place = split(text)
    feed = state.manager().feeds.get(run)
    if feed is None:
        return recording(text)
    if place >= len(feed.series):
        raise LibraryError("This run has no such series yet.")
    return feed.series[place]


def recording(text: str) -> Recording:
    """The Recording of the arm that `text` stands for, of a live feed as of now. Raises LibraryError."""
    run, place = split(text)
    if state.manager().feeds.get(run) is not None:
        item = shown(text)
        return item.recording if isinstance(item, FeedSeries) else item
    file = opened_files().get(run)
    if file is None:
        return library().recording(run, place)
    if place >= len(file.series):
        raise LibraryError("This file has no such series.")
    return file.series[place]
