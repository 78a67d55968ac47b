"""The bands of several layers and arms on shared axes: what `bands` and `overview` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.figures.frame.arms import ArmStyle
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import called, unit_called
from bnviz.figures.marks.lines import changed, diverged, scrubber
from bnviz.figures.marks.quantile_bands import bands_range, quantile_bands
from bnviz.figures.marks.zones import shade_zones
from bnviz.recording import Recording
from bnviz.recording.layer_inputs import QuantilePath, has, quantile_path

WHERE = ("input", "before")


@dataclass(frozen=True, eq=False)
class LayerBands:
    """The quantiles of every arm in every layer shown, and the y range that all panels share.

    where: "input", what the nonlinearity receives, or "before", what the normalizer receives. paths: by (arm, place
    of the layer), both from 0. leaving: for each panel whose bands leave the range, the words that say so.
    """

    recordings: Sequence[Recording]
    layers: Sequence[int]
    unit: int | None
    where: str
    paths: dict[tuple[int, int], QuantilePath]
    low: float
    high: float
    leaving: dict[tuple[int, int], str]

    @classmethod
    def of(
        cls, recordings: Sequence[Recording], layers: Sequence[int], unit: int | None, where: str
    ) -> LayerBands:
        """Collect them. Raises ValueError for a `where` that there is not."""
        if where not in WHERE:
            raise ValueError(f"where = {where!r} is not allowed; allowed is one of {', '.join(WHERE)}")
        paths = {
            (a, i): quantile_path(item, number, unit, where)
            for a, item in enumerate(recordings)
            for i, number in enumerate(layers)
        }
        return cls(recordings, layers, unit, where, paths, *bands_range(recordings, paths, len(layers)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded yet."""
        return not any(drawn.steps.size for drawn in self.paths.values())

    @property
    def called(self) -> str:
        """What is drawn, such as "input of the sigmoid"."""
        return (
            "input of the normalizer"
            if self.where == "before"
            else f"input of the {unit_called(self.recordings)}"
        )

    def y_axis(self, frame: Frame, title: str) -> dict[str, Any]:
        """The y axis of every panel."""
        return {
            "range": [self.low, self.high],
            "nticks": 5,
            "zeroline": True,
            "zerolinecolor": frame.theme.grid,
            "zerolinewidth": 1,
            "tickformat": "~s" if max(-self.low, self.high) >= 10_000 else "",
            "hoverformat": ".3~g",
            "title": {"text": title},
        }

    def draw(
        self,
        frame: Frame,
        panel: Panel,
        arm: ArmStyle,
        place: tuple[int, int],
        last: int,
        step: int | None,
        small: bool,
        crowded: bool = False,
    ) -> None:
        """The bands of the arm and layer at `place`. last: the end of the x axis. small: a panel with little room.

        crowded: one with little width.
        """
        a, i = place
        item, number = self.recordings[a], self.layers[i]
        activation = item.activation(number)
        shade_zones(
            frame, panel, activation if self.where == "input" else "", -self.high, self.high, upright=False
        )
        drawn = self.paths[place]
        quantile_bands(frame, panel, arm, drawn, called([item], number))
        ending = float(drawn.median[-1]) if drawn.steps.size else 0.0
        margin = 0.3 * (self.high - self.low)
        ending = float(np.clip(ending, self.low + margin, self.high - margin))
        diverged(frame, panel, arm, item.diverged_at, ending, last, small)
        changed(frame, panel, item.interventions, item.last_step, last if crowded else None)
        scrubber(frame, panel, step)
        if not has(item, number, self.unit):
            missing = f"no layer {number}" if not has(item, number) else f"no unit {self.unit}"
            frame.place_for_words(panel, missing)
        if place in self.leaving:
            words = self.leaving[place]
            if small or len(self.layers) > 2:
                words = words.replace("beyond the frame:", "reaches").split(" at step")[0]
            font = {"size": frame.size - 2, "color": frame.theme.ink}
            frame.panel_note(panel, words, xshift=4, font=font, **_corner(activation))


def _corner(activation: str) -> dict[str, Any]:
    """Where a panel has room for a note: the left corner away from the words that explain the zones."""
    bottom = activation != "relu"
    return {
        "y": 0.0 if bottom else 1.0,
        "yanchor": "bottom" if bottom else "top",
        "yshift": 2 if bottom else -2,
    }
