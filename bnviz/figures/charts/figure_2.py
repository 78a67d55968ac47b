"""Accuracy of named networks over the training steps, to see which is first: after the paper's Figure 2.

Steps are on a logarithmic axis: a tenth of the steps is the same distance to the left everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.figures.frame.axes import log_ticks
from bnviz.figures.frame.frame import Frame
from bnviz.figures.frame.layers import last_step
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.theme import readable
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels
from bnviz.figures.marks.lines import level, you_said
from bnviz.recording import Recording
from bnviz.recording.evaluations import curve


@dataclass(frozen=True, eq=False)
class Network:
    """One network with its name and its look: colour and dash."""

    label: str
    look: tuple[str, str]
    recording: Recording


@PlotFunction
def figure_2(
    networks: Sequence[Network],
    *,
    title: str,
    subtitle: str,
    target: float | None = None,
    guess_at: float | None = None,
    theme: str = "light",
    narrow: bool = False,
) -> Plot:
    """Held-out accuracy of each network. target: an accuracy to reach, drawn as a dotted line. guess_at: a
    step that was predicted.

    Column: `accuracy` of `Recording.curves`, split "test", from step 1 on. Not to be mistaken for time: a step with
    batch normalization takes longer than one without. Nor for equal settings: each network may have its own learning
    rate.
    """
    recordings = [network.recording for network in networks]
    last = last_step(recordings)
    frame = Frame(
        title,
        subtitle,
        theme=theme,
        narrow=narrow,
        height=420,
        view=("figure_2", title, last),
        wide=130,
        right=round((6.2 if narrow else 7.0) * max(len(network.label) for network in networks)) + 60,
    )
    span = (0.0, math.log10(max(last, 10)))
    x_axis = {
        "type": "log",
        "range": list(span),
        "tickmode": "array",
        "hoverformat": ",d",
        **log_ticks(*span),
    }
    y_axis = {"range": [0.0, 1.03], "tickformat": ".0%", "dtick": 0.2, "hoverformat": ".1%"}
    panel = frame.panels(1, 1, x_axis, y_axis | {"title": {"text": "accuracy"}})[0][0]
    curves = [curve(item, "test", "accuracy") for item in recordings]
    ends = []
    for network, drawn in zip(networks, curves, strict=True):
        kept = drawn.steps >= 1  # a logarithmic axis has no 0
        colour, dash = network.look
        frame.line(
            panel,
            drawn.steps[kept],
            drawn.values[kept],
            name=network.label,
            line={"color": colour, "width": frame.theme.line, "dash": dash},
            hovertemplate="%{y:.1%}<extra>" + network.label + "</extra>",
        )
        if kept.any():
            ends.append((network, int(drawn.steps[-1]), float(drawn.values[-1])))
    if target is not None and math.isfinite(target):
        level(frame, panel, target)
    if guess_at is not None and 1 <= guess_at <= max(last, 10):
        you_said(frame, panel, x=guess_at, at_top=False)  # the curves meet at the top
    labels = [
        EndLabel(
            f"{network.label} {value:.1%}" + " (diverged)" * (network.recording.diverged_at is not None),
            math.log10(step),
            clipped(value / 1.03) * frame.plot_height,
            readable(network.look[0], frame.theme),
            smaller=1,
        )
        for network, step, value in ends
    ]
    end_labels(frame, panel, labels, gap=4, xshift=6, yref="paper")
    frame.axis_note("training step (log)")
    if not ends:
        frame.place_for_words(panel, "The curves are drawn here<br>while the networks train.")
    return frame.plot(_alt(networks, title, target))


def _alt(networks: Sequence[Network], title: str, target: float | None) -> str:
    """Where each network ends, and when it first reached the target."""
    parts = []
    for network in networks:
        drawn = curve(network.recording, "test", "accuracy")
        if not drawn.steps.size:
            parts.append(f"{network.label} has no records yet")
            continue
        text = f"{network.label} stands at {drawn.values[-1]:.1%} at step {drawn.steps[-1]:,}"
        if target is not None and (drawn.values >= target).any():
            text += f" and was at {target:.1%} at step {drawn.steps[np.argmax(drawn.values >= target)]:,}"
        parts.append(text)
    return f"{title}. " + "; ".join(parts) + "."
