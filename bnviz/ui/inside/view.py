"""What the page "Inside" shows: its link's parameters, each declared once, and the network it looks into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from bnviz.experiment import Experiment
from bnviz.layer.walk import LINES

PREFIX = "inside."
"""Before the names of this page's controls in the session, which other pages' controls share."""

STEPS = 1000
"""How far the page trains: what a layer does shows early, and nobody should wait."""

LEAST, MOST = 2, 16
"""Examples in the mini-batch that is shown."""

SECTIONS = {
    "arithmetic": "Line by line",
    "scale": "γ and β in hand",
    "gradients": "The way back",
    "companions": "Companions",
    "inference": "Training and inference",
    "maps": "Feature maps",
}
CHANGES = {"replace": "Replaced", "drop": "Dropped", "duplicate": "Doubled"}
NEWEST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FIXED = {"steps": STEPS, "normalizer": "batch", "architecture": "mlp"}
"""What the page does not leave open. Training to a step is the same however long the run was to be."""
MAPS = {"architecture": "conv", "hidden": (6, 12)}
"""What the network with feature maps has instead."""
NETWORK = ("hidden", "activation", "init", "init_scale", "learning_rate", "batch_size", "seed")
"""The fields that have a control, besides the dataset."""


@dataclass(frozen=True)
class View:
    """The page's parameters besides the fields of Experiment; layer, unit, line, example count from 1.

    gamma, beta: set by hand, None for the learned ones. constant: the gradient as if the statistics were
    constants. newest: the weight of the newest mini-batch in the running averages. map_layer, channel: of
    the network with feature maps.
    """

    section: str = "arithmetic"
    step: int = 100
    layer: int = 1
    unit: int = 1
    examples: int = 8
    line: int = 1
    gamma: float | None = None
    beta: float | None = None
    constant: bool = False
    example: int = 1
    change: str = "replace"
    newest: float = 0.1
    map_layer: int = 1
    channel: int = 1

    @classmethod
    def salvage(cls, query: Mapping[str, str], experiment: Experiment) -> tuple[Self, tuple[str, ...]]:
        """The View that a link's parameters describe, defaults in place of what is not allowed; what was ignored."""
        view = cls()
        ignored = []
        for name in PARAMETERS:
            text = query.get(name)
            if not text:
                continue
            try:
                view = replace(view, **{name: _read(name, text, view._allowed(name, experiment))})
            except ValueError as error:
                ignored.append(f"{name} = {text[:40]!r} is not allowed; allowed is {error}")
        return view, tuple(ignored)

    def to_query(self) -> dict[str, str]:
        """The link's parameters; what is at its default stays out."""
        usual = View()
        return {
            name: Experiment.text(getattr(self, name)).lower()
            for name in PARAMETERS
            if getattr(self, name) != getattr(usual, name)
        }

    def within(self, experiment: Experiment) -> Self:
        """The same where the network has such a layer and unit, and the mini-batch such an example; else the first."""
        view = self
        first: dict[str, Any]
        for name in ("layer", "unit", "example", "map_layer", "channel"):
            allowed = view._allowed(name, experiment)
            if not allowed[0] <= getattr(view, name) <= allowed[1]:
                first = {name: 1}
                view = replace(view, **first)
        return view

    def _allowed(self, name: str, experiment: Experiment) -> Any:
        """A range for numbers, names for choices, None for truth values. Those named before are set already."""
        widths, channels = experiment.hidden, MAPS["hidden"]
        assert isinstance(channels, tuple)
        ranges: dict[str, Any] = {
            "section": tuple(SECTIONS),
            "step": (0, STEPS),
            "layer": (1, len(widths)),
            "unit": (1, widths[min(self.layer, len(widths)) - 1]),
            "examples": (LEAST, MOST),
            "line": (1, LINES),
            "gamma": (-1e6, 1e6),
            "beta": (-1e6, 1e6),
            "constant": None,
            "example": (1, self.examples),
            "change": tuple(CHANGES),
            "newest": (0.0, 1.0),
            "map_layer": (1, len(channels)),
            "channel": (1, channels[min(self.map_layer, len(channels)) - 1]),
        }
        return ranges[name]


PARAMETERS = tuple(item.name for item in fields(View))


def _read(name: str, text: str, allowed: Any) -> Any:
    """A parameter's value. Raises ValueError that says what is allowed."""
    if allowed is None:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"
    if isinstance(allowed[0], str):
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text
    whole = isinstance(allowed[0], int)
    said = f"a {'whole ' * whole}number from {allowed[0]:,g} to {allowed[1]:,g}"
    try:
        value = (int if whole else float)(text) if len(text) < 40 and text.isascii() else None
    except ValueError:
        value = None
    if value is None or not allowed[0] <= value <= allowed[1]:  # refuses NaN too
        raise ValueError(said)
    return value


def experiment_of(query: Mapping[str, str]) -> tuple[Experiment, tuple[str, ...]]:
    """The network that a link describes, with batch normalization and fully connected; what was ignored."""
    base, ignored = Experiment.salvage({name: text for name, text in query.items() if name not in PARAMETERS})
    fixed = [
        f"{name} = {Experiment.text(getattr(base, name))!r} is not looked into here"
        for name in ("normalizer", "architecture")
        if getattr(base, name) != FIXED[name]
    ]
    return base.replace(**FIXED), (*ignored, *fixed)


def with_maps(experiment: Experiment) -> Experiment:
    """The network with feature maps that learns the same. Raises ExperimentError for points in the plane."""
    return experiment.replace(**MAPS)


def query_of(experiment: Experiment, view: View) -> dict[str, str]:
    """The link's parameters; what is at its default stays out."""
    texts = experiment.texts()
    mine = {
        name: text
        for name, text in texts.items()
        if name not in FIXED and text != Experiment.default_text(name)
    }
    return mine | view.to_query()
