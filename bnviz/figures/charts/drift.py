"""Drift: how far each layer's input has moved, the internal covariate shift as a number, over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.layers import measured_on
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.layer_lines import Quantity, layer_lines
from bnviz.recording import Recording


@PlotFunction
def drift(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """How far the distribution of each layer's input has moved since `Recording.reference_step`.

    Column: `drift` of `Recording.layers`, the 1-Wasserstein distance of each unit's distribution on the probe batch,
    averaged over units, in units of the nonlinearity's input. Not to be mistaken for the speed of the movement: it is
    the distance from the start. Nor is it relative to the width of the distribution: a layer whose inputs are spread
    widely drifts far in these units. Of a network that was watched each record is of another mini-batch: what two of
    them differ by at one step is drawn as a dotted line, and a drift of that height is chance.
    """
    since = " or ".join(sorted({f"step {item.reference_step:,}" for item in recordings}))
    quantity = Quantity(
        "drift",
        "How far each layer’s input has moved",
        f"Drift: distance (1-Wasserstein) of each unit’s input distribution from {since}, averaged over units; "
        f"{measured_on(recordings)}, after the normalizer where there is one."
        + (
            " Dotted: what two mini-batches of one step differ by, chance and no movement."
            if any(_chance(item, number) for item in recordings for number in range(1, len(item.widths) + 1))
            else ""
        ),
        "drift (units of the input)",
        lambda *_: "drift",
        chance=_chance,
    )
    return layer_lines(recordings, quantity, theme, step, narrow)


def _chance(recording: Recording, layer: int) -> float | None:
    """The drift between two mini-batches of one step, of a layer counted from 1; None of a fixed probe batch."""
    return None if recording.watched is None else recording.watched.layers[layer - 1].floor
