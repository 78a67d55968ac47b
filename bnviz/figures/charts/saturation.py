"""Saturation: the share of each layer that hardly learns, over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.layers import measured_on, units_called
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.layer_lines import Quantity, layer_lines
from bnviz.recording import Recording
from bnviz.recording.nonlinearities import NONLINEARITIES


@PlotFunction
def saturation(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """The share of each layer that hardly learns: saturated sigmoids or tanh units, or dead ReLUs.

    Columns: `saturated` of `Recording.layers`, a share of pairs of a probe example and a unit; of ReLUs `dead`, a share
    of units. One is not to be mistaken for the other: a unit that is saturated for one example learns from another, a
    dead ReLU learns from none.
    """
    kinds = {item.activation(layer) for item in recordings for layer in range(1, len(item.widths) + 1)}
    units = units_called(recordings)
    never = [kind.units for name in sorted(kinds) if (kind := NONLINEARITIES.get(name)) and not kind.zones]
    none = "".join(f" {units[0].upper()}{units[1:]} have no such zone." for units in never)
    dead = "Share of ReLUs that are silent for every example."
    flat = (
        f"Share of inputs of {units} where the slope is below 5 % of its maximum; {measured_on(recordings)}."
    )
    quantity = Quantity(
        "saturation",
        "How many ReLUs are dead" if kinds == {"relu"} else f"How many {units} are saturated",
        dead if kinds == {"relu"} else flat + (f" {dead}" if "relu" in kinds else "") + none,
        "dead" if kinds == {"relu"} else "saturated",
        lambda item, layer: "dead" if item.activation(layer) == "relu" else "saturated",
        percent=True,
    )
    return layer_lines(recordings, quantity, theme, step, narrow)
