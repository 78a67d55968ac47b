"""Learning rate: what each step of each arm was multiplied by, over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnviz.experiment.schedule import rate
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import rounded_up
from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.layers import axis_end, last_step
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot, PlotFunction
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.arm_lines import arm_line
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels
from bnviz.figures.marks.lines import diverged, scrubber
from bnviz.recording import Recording


@PlotFunction
def learning_rate(
    recordings: Sequence[Recording], *, theme: str = "light", step: int | None = None, narrow: bool = False
) -> Plot:
    """The learning rate of each arm at each step that it has taken: as it is set, times its schedule.

    From the experiment and what was changed while it trained; none is known of a watched network. Not to be mistaken
    for the length of a step: the gradient is in that, and the optimizer.
    """
    arms = arm_styles(recordings)
    lines = [rates(item) for item in recordings]
    top = rounded_up(1.05 * max((float(own.max(initial=0.0)) for _, own in lines), default=0.0)) or 1.0
    watched = any(item.watched is not None for item in recordings)
    frame = Frame(
        "Learning rate",
        "What each step is multiplied by." + (" Of a watched network it is not known." if watched else ""),
        theme=theme,
        narrow=narrow,
        height=300,
        view=("learning_rate", last_step(recordings)),
        wide=72,
        right=72,
        legend=[arm.label for arm in arms],
    )
    y_axis = {"range": [0, top], "nticks": 5, "hoverformat": ".3~g", "title": {"text": "learning rate"}}
    axis = frame.steps_axis(last_step(recordings), shown=axis_end(recordings))
    panel = frame.panels(1, 1, axis, y_axis)[0][0]
    ends = []
    for arm, item, (steps, values) in zip(arms, recordings, lines, strict=True):
        arm_line(frame, panel, arm, steps, values, "%{y:.3~g}")
        last = float(values[-1]) if steps.size else 0.0
        diverged(frame, panel, arm, item.diverged_at, last, axis_end(recordings))
        if steps.size and item.diverged_at is None:
            name = f"<b>{arm.letter}</b> {short(last)}"
            height = clipped(last / top) * frame.plot_height
            ends.append(EndLabel(name, int(steps[-1]), height, readable(arm.colour, frame.theme), smaller=1))
    end_labels(frame, panel, ends, gap=3, xshift=5, yref="paper")
    scrubber(frame, panel, step)
    frame.axis_note("training step")
    if not any(steps.size for steps, _ in lines):
        words = "The learning rate of each network is drawn here while it trains."
        if all(item.watched is not None for item in recordings):
            words = "The learning rate of a watched network<br>is its program’s own."
        frame.place_for_words(panel, words)
    return frame.plot(_alt(arms, recordings, lines))


def rates(recording: Recording) -> tuple[Array, Array]:
    """The recorded steps, and those around each change, and the rate of the update after each.

    Empty where nothing is recorded yet, and of a watched network.
    """
    if recording.watched is not None or not recording.snapshots:
        return np.zeros(0, np.int64), np.zeros(0)
    experiment, changes, last = recording.experiment, recording.interventions, recording.last_step
    changed = [item.step + late for item in changes for late in (-1, 0)]
    steps = np.unique([*recording.steps, *(step for step in changed if 0 <= step <= last)])
    return steps, np.array([rate(experiment, changes, step) for step in steps.tolist()])


def _alt(
    arms: Sequence[ArmStyle], recordings: Sequence[Recording], lines: Sequence[tuple[Array, Array]]
) -> str:
    """Where each arm's rate begins, is largest, and stands."""
    parts = [
        f"{arm.label} has no records"
        if not steps.size
        else f"{arm.label}: {short(float(values[0]))} at first, at most {short(float(values.max()))}, "
        f"{short(float(values[-1]))} at step {steps[-1]:,}"
        + (f" and diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        for arm, item, (steps, values) in zip(arms, recordings, lines, strict=True)
    ]
    return f"The learning rate over the training steps, one line for each arm. {'; '.join(parts)}."
