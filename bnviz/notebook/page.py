"""A Recording as HTML in a notebook: a picture of its bands, its layers in numbers, its notes.

It holds no script and asks for nothing, so a notebook shows it whether it is trusted or not. One that is not trusted
takes out styles, and perhaps the picture; the numbers and the notes stay.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from bnviz.export.notes import notes_html
from bnviz.export.templates import environment
from bnviz.figures.frame.arms import MAX_ARMS, arm_styles
from bnviz.figures.frame.numbers import short
from bnviz.figures.still import still_bands
from bnviz.figures.wording import settings
from bnviz.recording import Recording

_TEMPLATES = environment(Path(__file__).with_name("templates"))
COLUMNS = ("mean", "std", "q05", "q15", "q50", "q85", "q95")


@dataclass(frozen=True)
class LastRecord:
    """A recording's layers as last recorded. rows: each layer's name, and its numbers in the order of COLUMNS."""

    name: str
    step: int
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def recording_html(recordings: Sequence[Recording]) -> str:
    """The series of one network, each by its name, or a network that bnviz trained."""
    shown = [item for item in recordings if item.snapshots][:MAX_ARMS]
    if not shown:
        return text_html("\n".join(map(str, recordings)) or "nothing was recorded yet")
    picture = still_bands(shown)
    return _TEMPLATES.get_template("recording.html").render(
        heading=settings(shown),
        picture=base64.b64encode(picture.svg.encode()).decode(),
        alt=picture.alt,
        columns=COLUMNS,
        last=[
            _last(item, arm.name or arm.letter) for item, arm in zip(shown, arm_styles(shown), strict=True)
        ],
        notes=notes_html(shown),
    )


def text_html(text: str) -> str:
    """Lines of text."""
    return str(Markup("<pre>{}</pre>").format(escape(text)))


def _last(recording: Recording, name: str) -> LastRecord:
    table = recording.layers
    now = table[table["step"] == recording.last_step]
    rows = tuple(
        (layer, tuple(short(float(value)) for value in values))
        for layer, values in zip(recording.layer_names, now[list(COLUMNS)].to_numpy(), strict=True)
    )
    return LastRecord(name, recording.last_step, rows)
