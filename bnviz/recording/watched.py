"""What a Recording says of a network that somebody else's program trained while bnviz only watched.

It stands where an Experiment stands otherwise. Its texts may come from a stranger's file, so none but plain
signs are allowed in them, and everything is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from bnviz.experiment.knob import MAX_WIDTH

MAX_WATCHED_LAYERS = 100
MAX_NAME = 80
"""Characters of a network's or a layer's name."""

_PLAIN = re.compile(rf"[\w .:,;+=#()\[\]/-]{{1,{MAX_NAME}}}")
_OTHER = re.compile(r"[^\w .:,;+=#()\[\]/-]")


class WatchError(ValueError):
    """Something that cannot be watched, or is no description of what was; the message says why."""


def plain_name(text: str) -> str:
    """A name of somebody else's, with "_" for every sign that a page could take for more than text.

    Of a long one the end is kept, which tells most: "encoder.blocks.3.mlp.fc1".
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

    name: str
    layers: tuple[WatchedLayer, ...]

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if not 1 <= len(self.layers) <= MAX_WATCHED_LAYERS:
            raise WatchError(
                f"{len(self.layers):,} layers are not allowed; allowed are 1 to {MAX_WATCHED_LAYERS}"
            )

    @property
    def activation(self) -> str:
        """The nonlinearity of all layers; "" where they differ or have none."""
        kinds = {layer.activation for layer in self.layers}
        return kinds.pop() if len(kinds) == 1 else ""

    @property
    def normalized(self) -> bool:
        """Whether any layer has a normalizer."""
        return any(layer.normalizer for layer in self.layers)

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of dataclasses.asdict, for what was read from a file. Raises WatchError."""
        layers = values.get("layers")
        if set(values) != {"name", "layers"} or not isinstance(layers, list):
            raise WatchError("a watched network has the parts name and layers, and no others")
        if not 1 <= len(layers) <= MAX_WATCHED_LAYERS:
            raise WatchError(f"{len(layers):,} layers are not allowed; allowed are 1 to {MAX_WATCHED_LAYERS}")
        parts = {"name", "width", "activation", "normalizer"}
        if not all(isinstance(item, dict) and set(item) == parts for item in layers):
            raise WatchError(f"a watched layer has the parts {', '.join(sorted(parts))}, and no others")
        return cls(values["name"], tuple(WatchedLayer(**item) for item in layers))
