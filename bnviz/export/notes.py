"""What was measured of a watched network and what was not, layer by layer, as HTML for pages and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from bnviz.export.templates import environment
from bnviz.recording import Recording

_TEMPLATES = environment(Path(__file__).with_name("templates"))


@dataclass(frozen=True)
class LayerNotes:
    """A layer and all that is to be told of it. receives: the nonlinearity that receives it, and the normalizer.

    recorded: whether the recording has numbers of it.
    """

    name: str
    receives: str
    recorded: bool
    texts: tuple[str, ...]


def layer_notes(recording: Recording) -> tuple[LayerNotes, ...]:
    """The layers of a watched network from the input on, then those that have notes but are not recorded."""
    watched = recording.watched
    if watched is None:
        return ()
    texts: dict[str, list[str]] = {layer.name: [] for layer in watched.layers}
    for note in watched.notes:
        if note.layer:
            texts.setdefault(note.layer, []).append(note.text)
    receives = {layer.name: _receives(layer.activation, layer.normalizer) for layer in watched.layers}
    return tuple(
        LayerNotes(name, receives.get(name, ""), name in receives, tuple(told))
        for name, told in texts.items()
    )


def general_notes(recording: Recording) -> tuple[str, ...]:
    """What is told of the whole recording."""
    return tuple(note.text for note in recording.notes if not note.layer)


def series_name(recording: Recording) -> str:
    """What a watched recording is called beside others of its network: "convnet in training mode"."""
    name = "" if recording.watched is None else recording.watched.name
    return f"{name} in {recording.mode} mode" if recording.mode else name


def span(recording: Recording) -> str:
    """How much was recorded: "20 records of 3 layers, steps 0 to 380"."""
    layers = len(recording.widths)
    told = (
        f"{recording.revision:,} record{'' if recording.revision == 1 else 's'} of "
        f"{layers:,} layer{'' if layers == 1 else 's'}"
    )
    if recording.snapshots:
        told += f", steps {recording.steps[0]:,} to {recording.last_step:,}"
    return told


def notes_html(recordings: Sequence[Recording]) -> Markup:
    """A part of a page for each watched recording: its series by name, and a table of its layers. "" without any."""
    series = [
        (series_name(item), span(item), general_notes(item), layer_notes(item))
        for item in recordings
        if item.watched is not None
    ]
    return Markup(_TEMPLATES.get_template("notes.html").render(series=series)) if series else Markup("")


def _receives(activation: str, normalizer: str) -> str:
    if not activation:
        return f"no nonlinearity, behind {normalizer}" if normalizer else "no nonlinearity"
    return f"{activation}, behind {normalizer}" if normalizer else activation
