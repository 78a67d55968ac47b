"""A figure as a page without a server needs it: in every look, and, where it shows one step, at every frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bnviz.export.handouts.array_pool import Pool, differences, patches
from bnviz.recording import Recording

MOST_FRAMES = 60
"""Steps among which the scrubber moves: enough for motion, and a file that a mail takes."""

_COLOUR = re.compile(r"#[0-9A-F]{6}")


@dataclass(frozen=True)
class Look:
    """The background a figure stands on and whether there is little width, as figures take them."""

    theme: str
    narrow: bool

    @property
    def key(self) -> str:
        """How the page's script asks for it: "dark narrow"."""
        return f"{self.theme} {'narrow' if self.narrow else 'wide'}"


LOOKS = tuple(Look(theme, narrow) for theme in ("light", "dark") for narrow in (False, True))


@dataclass(frozen=True)
class Slide:
    """A figure on the page.

    caption: what to look for. choices: the figure, or several by their labels, as the script reads them, the last
    one shown first; asked: the name of that choice. alt, height: of what is shown first, for before it is drawn.
    """

    name: str
    caption: str
    choices: Mapping[str, Mapping[str, Any]]
    alt: str
    height: int
    asked: str = ""


def frame_steps(recordings: Sequence[Recording]) -> list[int]:
    """The steps that the scrubber stops at: recorded ones, dense where they are, the last one included."""
    steps = np.unique(np.concatenate([item.steps for item in recordings]))
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_FRAMES)).round().astype(int))
    return [int(step) for step in steps[kept]]


def still(name: str, caption: str, drawn: Mapping[Look, go.Figure], pool: Pool) -> Slide:
    """A figure over all steps, or over none. drawn: it in every look."""
    shown = drawn[LOOKS[0]]
    choice = {"looks": {look.key: pool.figure(figure) for look, figure in drawn.items()}}
    return Slide(name, caption, {"": choice}, shown.layout.meta["alt"], int(shown.layout.height))


def film(
    name: str,
    caption: str,
    draw: Mapping[str, Callable[[int, Look], go.Figure]],
    steps: Sequence[int],
    pool: Pool,
    asked: str = "",
) -> Slide:
    """A figure that shows one step. draw: for each choice, what draws it at a step; asked: what is chosen."""
    choices = {}
    for label, at in draw.items():
        looks = {look.key: pool.figure(at(steps[-1], look)) for look in LOOKS}
        moves = {}
        for narrow in (False, True):
            light, dark = (Look(theme, narrow) for theme in ("light", "dark"))
            frames = [pool.figure(at(step, light)) for step in steps]
            moves[light.key] = patches(looks[light.key], frames)
            colours = recoloured(looks[light.key], looks[dark.key])
            moves[dark.key] = translated(moves[light.key], colours)
        choices[label] = {"looks": looks, "moves": moves}
    layout = looks[LOOKS[0].key]["layout"]
    return Slide(name, caption, choices, layout["meta"]["alt"], int(layout["height"]), asked)


def recoloured(light: Any, dark: Any) -> dict[str, str]:
    """Which colour of a figure became which, from the figure in both themes.

    So its frames need not be drawn twice: they differ between the themes in nothing but colours.
    """
    colours: dict[str, str] = {}
    for path, value in differences(light, dark):
        before = light
        for key in path:
            before = before[key]
        if isinstance(before, str) and isinstance(value, str):
            colours |= dict(zip(_COLOUR.findall(before), _COLOUR.findall(value), strict=False))
    return colours


def translated(value: Any, colours: Mapping[str, str]) -> Any:
    """A JSON value with other colours in its texts."""
    if isinstance(value, str):
        return _COLOUR.sub(lambda found: colours.get(found[0], found[0]), value)
    if isinstance(value, list):
        return [translated(item, colours) for item in value]
    if isinstance(value, dict):
        return {key: translated(item, colours) for key, item in value.items()}
    return value
