"""What a Recording says of a network that another program trained while bnviz only watched: a Subject.

Its texts may come from a stranger's file. So they may hold plain characters only, and all sizes are bounded.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from bnviz.experiment.knob import MAX_WIDTH

MAX_WATCHED_LAYERS = 100
MAX_NAME = 80
"""Characters of a network's or a layer's name."""

_PLAIN = re.compile(rf"[\w .:,;+=#()\[\]/-]{{1,{MAX_NAME}}}")
_OTHER = re.compile(r"[^\w .:,;+=#()\[\]/-]")


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
class WatchedLayer:
    """One layer: what a nonlinearity received. Raises WatchError.

    name: of the module whose output it is, such as "head.fc1" or "Linear 0". width: how many units were measured.
    activation: the nonlinearity's name, such as "relu" or "gelu"; "" where none follows.
    normalizer: the class of the normalizer in between, such as "BatchNorm1d"; "" where there is none.
    """

    name: str
    width: int
    activation: str = ""
    normalizer: str = ""

    def __post_init__(self) -> None:
        check_name("a layer's name", self.name)
        for field, text in (("activation", self.activation), ("normalizer", self.normalizer)):
            if text != "":
                check_name(field, text)
        if type(self.width) is not int or not 1 <= self.width <= MAX_WIDTH:
            raise WatchError(
                f"width = {str(self.width)[:20]} is not allowed; allowed is a whole number from 1 to {MAX_WIDTH:,}"
            )


@dataclass(frozen=True)
class Watched:
    """A network that was watched: its name, and its layers from the input on. Raises WatchError."""

    part: ClassVar[str] = "watched"

    name: str
    layers: tuple[WatchedLayer, ...]

    def __post_init__(self) -> None:
        check_name("name", self.name)
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
        """Name and layers as plain data for JSON; `of_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, for data from a stranger. Raises WatchError."""
        layers = values.get("layers")
        if set(values) != {"name", "layers"} or not isinstance(layers, list):
            raise WatchError("a watched network has the parts name and layers, and no others")
        if not 1 <= len(layers) <= MAX_WATCHED_LAYERS:
            raise WatchError(f"{len(layers):,} layers are not allowed; allowed are 1 to {MAX_WATCHED_LAYERS}")
        parts = {"name", "width", "activation", "normalizer"}
        if not all(isinstance(item, dict) and set(item) == parts for item in layers):
            raise WatchError(f"a watched layer has the parts {', '.join(sorted(parts))}, and no others")
        return cls(values["name"], tuple(WatchedLayer(**item) for item in layers))
