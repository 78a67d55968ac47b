"""Loss: the cross-entropy of each arm over the training steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.arm_lines import Measure, arm_lines
from bnviz.recording import Recording

LOSS = Measure(
    name="loss",
    titles={"test": "Held-out loss", "train": "Training loss"},
    subtitle="Cross-entropy on {examples}, in inference mode.",
    axis="cross-entropy (nats)",
    axis_watched="loss",
    guess=math.log,
    guessing=lambda classes: f" Guessing:\u00a0ln\u00a0{classes}\u00a0=\u00a0{math.log(classes):.2f}.",
    logarithmic=True,
)


@PlotFunction
def loss(
    recordings: Sequence[Recording],
    split: str = "train",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The cross-entropy of each arm on a logarithmic axis; a dotted line where guessing lies.

    Columns: `loss` of `Recording.curves`. split: "train" for examples trained on, "test" for held-out ones.
    Not to be mistaken for the loss of the mini-batch that the optimizer sees: it is evaluated in inference mode on a
    fixed sample. A low loss is no high accuracy: one confident error costs as much as many doubts. Raises ValueError.
    """
    return arm_lines(recordings, LOSS, split, theme, step, narrow)
