"""Accuracy: the share of examples that each arm classifies correctly, over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.marks.arm_lines import Measure, arm_lines
from bnviz.recording import Recording

ACCURACY = Measure(
    name="accuracy",
    titles={"test": "Accuracy on held-out data", "train": "Accuracy on training data"},
    subtitle="Share of {examples} classified correctly, in inference mode.",
    axis="accuracy",
    axis_watched="accuracy",
    guess=lambda classes: 1 / classes,
    guessing=lambda classes: "",
    logarithmic=False,
)


@PlotFunction
def accuracy(
    recordings: Sequence[Recording],
    split: str = "test",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The share of examples that each arm classifies correctly; a dotted line where guessing lies.

    Columns: `accuracy` of `Recording.curves`. split: "test" for held-out examples, "train" for those trained on.
    Not to be mistaken for the accuracy in training mode: in inference mode a normalizer uses its running averages
    and dropout is off. Two arms a point apart may be level: until the last step, which has all held-out examples, a
    point stands for at most 1,000 of them. Raises ValueError.
    """
    return arm_lines(recordings, ACCURACY, split, theme, step, narrow)
