"""Weight norm: the length of each layer's weights over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.layer_lines import Quantity, layer_lines
from bnviz.recording import Recording


@PlotFunction
def weight_norm(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """The Euclidean norm of all weights of a layer together, biases, gamma and beta left out.

    Column: `weight_norm` of `Recording.layers`. Layers with more weights have a larger norm: compare one layer in the
    two networks, and not two layers. Not to be mistaken for the size of what the layer computes: behind batch
    normalization the length of the weights changes nothing in the output.
    """
    quantity = Quantity(
        "weight_norm",
        "How long each layer’s weights are",
        "Norm of all weights of a layer together, without biases, γ and β. Layers of other sizes start at other norms.",
        "norm of the weights",
        lambda *_: "weight_norm",
    )
    return layer_lines(recordings, quantity, theme, step, narrow)
