"""An arm of a kept run or of an opened file, and the short text that stands for it in a link: "id.0"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bnviz.recording import Recording
from bnviz.recording.library import Entry, LibraryError
from bnviz.ui.parts.library import library
from bnviz.ui.parts.opened_files import opened_files

_REFERENCE = re.compile(r"([0-9a-z]{1,40})\.([0-9]{1,3})")


@dataclass(frozen=True)
class ArmChoice:
    """An arm that can be shown. text: stands for it in a link. label: its name on the page."""

    text: str
    label: str


def choices(entries: Sequence[Entry]) -> list[ArmChoice]:
    """All arms of this person's opened files, then of the entries. Their labels are unique.

    They must be: Streamlit tells options apart by their labels.
    """
    found = [(f"{file.id}.0", f"{file.name} (file)") for file in opened_files().values()]
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


def recording(text: str) -> Recording:
    """The Recording of the arm that `text` stands for. Raises LibraryError."""
    run, place = split(text)
    file = opened_files().get(run)
    return file.recording if file else library().recording(run, place)
