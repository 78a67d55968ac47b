"""Layers in figures: which are shown, and what they and their units are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.recording import Recording
from bnviz.recording.layer_inputs import has
from bnviz.recording.nonlinearities import NONLINEARITIES, Nonlinearity

MOST_COLUMNS = 5


def depth(recordings: Sequence[Recording]) -> int:
    """The number of hidden layers of the deepest arm."""
    return max(len(item.widths) for item in recordings)


def last_step(recordings: Sequence[Recording]) -> int:
    """Where the axis of steps ends: the longest planned run."""
    return max(item.planned_steps for item in recordings)


GROWING = (20, 50, 100, 200, 500)
"""Where the axis of steps ends at first; then ten times as far, and so on."""


def axis_end(recordings: Sequence[Recording]) -> int:
    """Where the axis of steps ends now: it grows with training, so that the first steps fill the picture."""
    last, reached = last_step(recordings), max(item.last_step for item in recordings)
    if not any(item.snapshots for item in recordings):
        return last
    ends = (end * 10**power for power in range(6) for end in GROWING[2 if power else 0 :])
    return min(last, next((end for end in ends if reached <= end), last))


def elapsed(recordings: Sequence[Recording]) -> int:
    """How many steps are on show: the latest recorded step of all arms, at least 1."""
    return max(1, max(item.last_step for item in recordings))


def chosen_layers(recordings: Sequence[Recording], layer: int | None, most: int = MOST_COLUMNS) -> list[int]:
    """The layers to show, counted from 1: the given one, else all, of more than `most` so many, evenly spaced.

    Raises ValueError for a layer that no arm has.
    """
    deepest = depth(recordings)
    if layer is not None:
        if not 1 <= layer <= deepest:
            raise ValueError(f"layer = {layer} is not allowed; allowed is 1 to {deepest}")
        return [layer]
    count = min(deepest, most)
    return [round(position) for position in np.linspace(1, deepest, count)]


def check_unit(recordings: Sequence[Recording], layers: Sequence[int], unit: int) -> None:
    """Raises ValueError for a unit that none of the layers has in any arm."""
    widths = [item.widths[layer - 1] for item in recordings for layer in layers if has(item, layer)]
    if not 1 <= unit <= max(widths):
        raise ValueError(f"unit = {unit} is not allowed; allowed is 1 to {max(widths)}")


def listed(layers: Sequence[int], deepest: int) -> str:
    """The layers as words: "layers 1, 5, 10, 15, 20 of 20", or "" where all are shown."""
    if len(layers) == deepest:
        return ""
    word = "layer" if len(layers) == 1 else "layers"
    return f"{word} {', '.join(map(str, layers))} of {deepest}"


def called(recordings: Sequence[Recording], layer: int) -> str:
    """A layer's name: as the networks themselves call it where all that have it agree, else "layer 2"."""
    names = {item.layer_names[layer - 1] for item in recordings if has(item, layer)}
    return names.pop() if len(names) == 1 else f"layer {layer}"


def short_name(name: str, most: int = 18) -> str:
    """A layer's name where there is little room: its end, which tells most of "encoder.blocks.3.fc1"."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def units_called(recordings: Sequence[Recording]) -> str:
    """What the nonlinear units are called: "sigmoids", or "nonlinearities" where the arms differ."""
    kind = _common_kind(recordings)
    return "nonlinearities" if kind is None else kind.units


def unit_called(recordings: Sequence[Recording]) -> str:
    """What one of them is called: "sigmoid", or "nonlinearity"."""
    kind = _common_kind(recordings)
    return "nonlinearity" if kind is None else kind.unit


def _common_kind(recordings: Sequence[Recording]) -> Nonlinearity | None:
    """The nonlinearity of all arms, or None where they differ or it is not known."""
    kinds = {item.activation() for item in recordings}
    return NONLINEARITIES.get(kinds.pop()) if len(kinds) == 1 else None


def measured_on(recordings: Sequence[Recording]) -> str:
    """On what the values were measured: on the "probe batch", or of a watched network on passes in its mode."""
    modes = {"" if item.watched is None else item.mode or "watched" for item in recordings}
    told = [] if modes and "" not in modes else ["probe batch"]
    for mode in sorted(modes - {""}):
        told.append("passes of the watched program" if mode == "watched" else f"passes in {mode} mode")
    return ", or ".join(told)


def zones(activation: str) -> tuple[list[tuple[float, float]], str]:
    """Where the nonlinearity hardly answers, as intervals of its input, and what that zone is called.

    The slope is below 5 % of its maximum there, for relu it is zero. Some have no such zone.
    """
    kind = NONLINEARITIES.get(activation)
    if kind is None or not kind.zones:
        return [], ""
    return kind.zones, "silent: slope 0" if kind.silent else "saturated: slope below 5 % of its maximum"
