"""What a Recording says of a network that another program trained while bnviz only watched: a Subject.

Its texts may come from a stranger's file. So they may hold plain characters only, and all sizes are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from bnviz.experiment.knob import MAX_WIDTH

MAX_WATCHED_LAYERS = 100
MAX_NAME = 80
"""Characters of a network's or a layer's name."""
MAX_NOTES, MAX_NOTE = 1000, 400
"""How many notes there are at most, and how many characters each has."""
MODES = ("", "training", "evaluation", "training without gradients")
"""In which mode a network's passes ran; "" where that is not known, as in files of earlier versions."""

_PLAIN = re.compile(rf"[\w .:,;+=#()\[\]/-]{{1,{MAX_NAME}}}")
_OTHER = re.compile(r"[^\w .:,;+=#()\[\]/-]")
_PLAIN_NOTE = re.compile(rf"[\w .:,;+=#()\[\]/'\"%-]{{1,{MAX_NOTE}}}")
_OTHER_THAN_NOTE = re.compile(r"[^\w .:,;+=#()\[\]/'\"%-]")


class WatchError(ValueError):
    """Something that cannot be watched, or is no description of what was; the message says why."""


def plain_name(text: str) -> str:
    """The text with "_" for every character that a page could take for markup.

    Of a long text the end is kept, which says most: "encoder.blocks.3.mlp.fc1".
    """
    return _OTHER.sub("_", text[-MAX_NAME:]) or "_"


def check_name(field: str, text: object) -> str:
    """Return `text` if it is a plain name. Raises WatchError."""
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        raise WatchError(
            f"{field} = {str(text)[:MAX_NAME]!r} is not allowed; allowed are 1 to {MAX_NAME} letters, digits, "
            "spaces and .:,;+=#()[]/-_"
        )
    return text


@dataclass(frozen=True)
class Note:
    """Something to be told of a layer, or of all of them where `layer` is "". Raises WatchError."""

    layer: str
    text: str

    def __post_init__(self) -> None:
        if self.layer != "":
            check_name("a note's layer", self.layer)
        if not isinstance(self.text, str) or not _PLAIN_NOTE.fullmatch(self.text):
            raise WatchError(f"a note = {str(self.text)[:MAX_NAME]!r} is not allowed; allowed is plain text")

    def __str__(self) -> str:
        """The note as a line."""
        return f"{self.layer}: {self.text}" if self.layer else self.text

    @classmethod
    def of(cls, layer: str, text: str) -> Self:
        """A note with "_" for every sign that a page could take for more than text."""
        plain = _OTHER_THAN_NOTE.sub("_", " ".join(text.split()))
        return cls(layer, plain[:MAX_NOTE] or "_")


@dataclass(frozen=True)
class WatchedLayer:
    """One layer: what a nonlinearity received. Raises WatchError.

    name: of the module whose output it is, such as "head.fc1" or "Linear 0". width: how many units were measured.
    activation: the nonlinearity's name, such as "relu" or "gelu"; "" where none follows.
    normalizer: the class of the normalizer in between, such as "BatchNorm1d"; "" where there is none.
    floor: the drift that two batches at one step differ by, by chance alone; None where it is not known.
    """

    name: str
    width: int
    activation: str = ""
    normalizer: str = ""
    floor: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_name("a layer's name", self.name)
        if self.floor is not None and not (isinstance(self.floor, float) and 0 <= self.floor < float("inf")):
            raise WatchError(f"floor = {str(self.floor)[:20]} is not allowed; allowed is a number from 0")
        for part, text in (("activation", self.activation), ("normalizer", self.normalizer)):
            if text != "":
                check_name(part, text)
        if type(self.width) is not int or not 1 <= self.width <= MAX_WIDTH:
            raise WatchError(
                f"width = {str(self.width)[:20]} is not allowed; allowed is a whole number from 1 to {MAX_WIDTH:,}"
            )


@dataclass(frozen=True)
class Watched:
    """A network that was watched: its name, and its layers from the input on. Raises WatchError.

    mode: of all the passes that were recorded. notes: what was measured and what was not, and why.
    """

    part: ClassVar[str] = "watched"

    name: str
    layers: tuple[WatchedLayer, ...]
    mode: str = ""
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if self.mode not in MODES:
            raise WatchError(
                f"mode = {str(self.mode)[:20]!r} is not allowed; allowed are {', '.join(MODES[1:])}"
            )
        if len(self.notes) > MAX_NOTES:
            raise WatchError(f"{len(self.notes):,} notes are not allowed; allowed are up to {MAX_NOTES:,}")
        if not 1 <= len(self.layers) <= MAX_WATCHED_LAYERS:
            raise WatchError(
                f"{len(self.layers):,} layers are not allowed; allowed are 1 to {MAX_WATCHED_LAYERS}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """How many units of each layer were measured."""
        return tuple(layer.width for layer in self.layers)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What the watched network calls each layer."""
        return tuple(layer.name for layer in self.layers)

    @property
    def activation(self) -> str:
        """The nonlinearity of all layers; "" where they differ or have none."""
        kinds = {layer.activation for layer in self.layers}
        return kinds.pop() if len(kinds) == 1 else ""

    def layer_activation(self, layer: int) -> str:
        """The nonlinearity of a layer, counted from 1; "" where there is no such layer, or none follows it."""
        return self.layers[layer - 1].activation if layer <= len(self.layers) else ""

    @property
    def normalized(self) -> bool:
        """Whether any layer has a normalizer."""
        return any(layer.normalizer for layer in self.layers)

    @property
    def planned_steps(self) -> None:
        """Nobody knows how many steps the other program will take."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """What a file keeps: of the parts that earlier versions did not have, those that say something."""
        values = asdict(self)
        for layer in values["layers"]:
            if layer["floor"] is None:
                del layer["floor"]
        return {name: item for name, item in values.items() if item or name in ("name", "layers")}

    @classmethod
    def of_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict` and of dataclasses.asdict, for what was read from a file. Raises WatchError."""
        layers, notes = values.get("layers"), values.get("notes", [])
        parts = {"name", "layers"}
        if not parts <= set(values) <= parts | {"mode", "notes"} or not isinstance(layers, list):
            raise WatchError("a watched network has the parts name and layers, and may have mode and notes")
        if not 1 <= len(layers) <= MAX_WATCHED_LAYERS:
            raise WatchError(f"{len(layers):,} layers are not allowed; allowed are 1 to {MAX_WATCHED_LAYERS}")
        parts = {"name", "width", "activation", "normalizer"}
        if not all(isinstance(item, dict) and parts <= set(item) <= parts | {"floor"} for item in layers):
            raise WatchError(f"a watched layer has the parts {', '.join(sorted(parts))}, and may have floor")
        if not isinstance(notes, list | tuple) or len(notes) > MAX_NOTES:
            raise WatchError(f"notes are no list of at most {MAX_NOTES:,}")
        if not all(isinstance(item, dict) and set(item) == {"layer", "text"} for item in notes):
            raise WatchError("a note has the parts layer and text, and no others")
        return cls(
            values["name"],
            tuple(WatchedLayer(**item) for item in layers),
            values.get("mode", ""),
            tuple(Note(**item) for item in notes),
        )
