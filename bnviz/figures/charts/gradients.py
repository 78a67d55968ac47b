"""Gradients: how strongly each layer is told to change, the norm of the loss's gradient, over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.layer_lines import SMOOTHED, Quantity, layer_lines
from bnviz.recording import Recording


@PlotFunction
def gradients(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """The norm of the loss's gradient with respect to each layer's weights, on a logarithmic axis.

    Column: `grad_norm` of `Recording.layers`, of the mini-batch of the update that led to the step; none at step 0.
    Not to be mistaken for the gradient of the loss over all data: it is of one mini-batch, which is why it is noisy.
    Nor for the size of the step: the optimizer and the learning rate are not in it.
    """
    quantity = Quantity(
        "gradients",
        "How strongly each layer is told to change",
        "Norm of the loss gradient with respect to each layer’s weights, on the mini-batch of that step. "
        f"Thick: running median over {SMOOTHED} records; thin: every record.",
        "gradient norm (log)",
        lambda *_: "grad_norm",
        logarithmic=True,
        noisy=True,
    )
    return layer_lines(recordings, quantity, theme, step, narrow)
