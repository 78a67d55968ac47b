"""Update ratio: how far each layer's weights are moved in one step, relative to their own length, over the steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.layer_lines import SMOOTHED, Quantity, layer_lines
from bnviz.recording import Recording

CUSTOMARY = 1e-3
"""A rule of thumb for this ratio: a step of about a thousandth of the weights (Stanford CS231n, "Babysitting the
learning process"). It is no theorem: much above it weights change wildly, much below it hardly."""


@PlotFunction
def update_ratio(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """The norm of each update of a layer's weights over the norm of these weights, on a logarithmic axis.

    Column: `update_ratio` of `Recording.layers`, of the update that led to the step; none at step 0. The line at 10⁻³
    is a rule of thumb. Not to be mistaken for a recommendation for networks with batch normalization: there the
    length of the weights changes nothing in the output, and the ratio falls as they grow.
    """
    quantity = Quantity(
        "update_ratio",
        "How far one step moves each layer’s weights",
        "Norm of the update over the norm of the weights. Dotted: 10⁻³, a customary value. "
        f"Thick: running median over {SMOOTHED} records; thin: every record.",
        "update / weights (log)",
        lambda *_: "update_ratio",
        logarithmic=True,
        noisy=True,
        reference=(CUSTOMARY, "customary: 10⁻³"),
    )
    return layer_lines(recordings, quantity, theme, step, narrow)
