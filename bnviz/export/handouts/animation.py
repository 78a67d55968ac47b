"""Figures for a page without a server: in every look, and, where a figure shows one step, at every frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bnviz.export.handouts.array_pool import ArrayPool, differences, patches
from bnviz.figures.frame.plot import Plot
from bnviz.recording import Recording

MOST_FRAMES = 60
"""Steps between which the scrubber moves: enough for motion, and few enough for a file that can be mailed."""

_COLOUR = re.compile(r"#[0-9A-F]{6}")


@dataclass(frozen=True)
class Look:
    """The theme of a figure, and whether it is drawn for a narrow screen."""

    theme: str
    narrow: bool

    @property
    def key(self) -> str:
        """Its name in the page's data, such as "dark narrow"."""
        return f"{self.theme} {'narrow' if self.narrow else 'wide'}"


LOOKS = tuple(Look(theme, narrow) for theme in ("light", "dark") for narrow in (False, True))


@dataclass(frozen=True)
class Slide:
    """A figure on the page.

    caption: Markdown. choices: the figure, or several by their labels, as the script reads them; the last is shown
    first. asked: the name of the choice. alt, height: of the figure that is shown first.
    """

    name: str
    caption: str
    choices: Mapping[str, Mapping[str, Any]]
    alt: str
    height: int
    asked: str = ""

    def predicted(self, marks: Mapping[str, Any]) -> Slide:
        """This still figure with what the reader's prediction changes in it: by look, a patch for each notch."""
        (label,) = self.choices
        return replace(self, choices={label: {**self.choices[label], "predicted": dict(marks)}})


def frame_steps(
    recordings: Sequence[Recording], most: int = MOST_FRAMES, also: int | None = None
) -> list[int]:
    """The steps at which the scrubber stops: at most `most` of the recorded ones, first and last included.

    also: one more, or the recorded step before it.
    """
    steps = np.unique(np.concatenate([item.steps for item in recordings]))
    kept = np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(int)
    if also is not None:
        kept = np.append(kept, max(0, int(np.searchsorted(steps, also, "right")) - 1))
    return [int(step) for step in steps[np.unique(kept)]]


def still(name: str, caption: str, drawn: Mapping[Look, go.Figure | Plot], pool: ArrayPool) -> Slide:
    """A figure that shows all steps, or none. drawn: the figure in every look."""
    looks = {look.key: pool.figure(figure) for look, figure in drawn.items()}
    layout = looks[LOOKS[0].key]["layout"]
    return Slide(name, caption, {"": {"looks": looks}}, layout["meta"]["alt"], int(layout["height"]))


def animated(
    name: str,
    caption: str,
    draw: Mapping[str, Callable[[int, Look], go.Figure | Plot]],
    steps: Sequence[int],
    pool: ArrayPool,
    asked: str = "",
) -> Slide:
    """A figure that shows one step. draw: by choice, a function of step and look. asked: the choice's name."""
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
    """The dark theme's colour for each colour of the light theme, from one figure in both.

    Frames differ between the themes in colours alone, so they need not be drawn twice.
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
