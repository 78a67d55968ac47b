"""The layers' names at the ends of their lines; where ends meet, one name for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import depth, short_name
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels
from bnviz.recording import Recording

MOST_LABELS = 6
NEAR = 4
"""Pixels: ends nearer than this get one name."""
LABEL_LENGTHS = (12, 10)
"""Characters of a watched layer's own name at the end of its line: alone, and where several lines meet."""


def room(recordings: Sequence[Recording]) -> int:
    """Pixels to the right of the lines for the layers' names."""
    if any(item.watched is not None for item in recordings):
        return 145
    return 68 if depth(recordings) < 10 else 80


def label_layers(
    frame: Frame,
    panel: Panel,
    recording: Recording,
    ends: Sequence[tuple[int, float] | None],
    colours: Sequence[str],
    logarithmic: bool,
    limits: tuple[float, float],
    rows: int,
) -> None:
    """Name all layers, or of more than MOST_LABELS the first and the last.

    ends: of each layer the last step and value that are drawn, None where nothing is. limits: of the y axis, as
    powers of ten if it is logarithmic. rows: of panels in the figure.
    """
    told = range(len(ends)) if len(ends) <= MOST_LABELS else (0, len(ends) - 1)
    named = [(index, *end) for index in told if (end := ends[index]) is not None]
    low, high = limits
    tall = frame.panel_height(rows)
    shares = [((math.log10(value) if logarithmic else value) - low) / (high - low) for _, _, value in named]
    heights = [clipped(share) * tall for share in shares]
    labels = []
    for group in _groups(heights):
        numbers = sorted(named[place][0] + 1 for place in group)
        labels.append(
            EndLabel(
                _called(recording, numbers),
                max(named[place][1] for place in group),
                sum(heights[place] for place in group) / len(group),
                readable(colours[numbers[-1] - 1], frame.theme),
                smaller=2,
            )
        )
    end_labels(frame, panel, labels, rows=rows, gap=1, xshift=4)


def _groups(heights: Sequence[float]) -> list[list[int]]:
    """The places of `heights` from the lowest on, those NEAR each other together."""
    groups: list[list[int]] = []
    for place in sorted(range(len(heights)), key=lambda place: heights[place]):
        if groups and heights[place] - heights[groups[-1][-1]] < NEAR:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _called(recording: Recording, numbers: Sequence[int]) -> str:
    """ "layer 2", "layers 1, 3" or "layers 1–3"; of a watched network "fc2" or "fc1 … fc3"."""
    if recording.watched is not None:
        most = LABEL_LENGTHS[len(numbers) > 1]
        names = [short_name(recording.layer_names[number - 1], most) for number in numbers]
        return ", ".join(names) if len(names) < 3 else f"{names[0]} … {names[-1]}"
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"layers {numbers[0]}–{numbers[-1]}"
    return f"layers {', '.join(map(str, numbers))}"
