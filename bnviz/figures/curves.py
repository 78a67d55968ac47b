"""Accuracy and loss of all arms in one pair of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bnviz.figures.frame import Frame, Panel
from bnviz.figures.layers import last_step
from bnviz.figures.palette import ArmStyle, arm_styles, readable
from bnviz.figures.series import Array, decades, short, spread, thin
from bnviz.recording import Recording

SPLITS = ("test", "train")
CLASSES = {"digits": 10, "mnist": 10, "mnist-binary": 10, "spirals": 2, "moons": 2, "circles": 2}
EXAMPLES_CALLED = {"test": "held-out", "train": "training"}


@dataclass(frozen=True, eq=False)
class Curve:
    """What one arm reached over the steps at which it was evaluated. steps, values: (R,); values finite."""

    steps: Array
    values: Array
    examples: int


def curve(recording: Recording, split: str, measure: str) -> Curve:
    """`measure` ("loss" or "accuracy") of a split at every step where it was a finite number."""
    points = [
        (item.step, point) for item in recording.snapshots for point in item.curves if point.split == split
    ]
    kept = [(step, value) for step, point in points if math.isfinite(value := getattr(point, measure))]
    examples = points[-1][1].examples if points else 0
    return Curve(
        np.array([step for step, _ in kept], np.int64),
        np.array([value for _, value in kept], float),
        examples,
    )


def accuracy(
    recordings: Sequence[Recording],
    split: str = "test",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> go.Figure:
    """The share of examples that each arm names rightly, over the training steps; the line of guessing below.

    split: "test" for held-out examples, "train" for those trained on. Raises ValueError.
    """
    return _curves(recordings, "accuracy", split, theme, step, narrow)


def loss(
    recordings: Sequence[Recording],
    split: str = "train",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> go.Figure:
    """The cross-entropy of each arm over the training steps on a logarithmic axis; the line of guessing above.

    split: "train" for examples trained on, "test" for held-out ones. Raises ValueError.
    """
    return _curves(recordings, "loss", split, theme, step, narrow)


def _curves(
    recordings: Sequence[Recording], measure: str, split: str, theme: str, step: int | None, narrow: bool
) -> go.Figure:
    if split not in SPLITS:
        raise ValueError(f"split = {split!r} is not allowed; allowed is one of {', '.join(SPLITS)}")
    arms = arm_styles(recordings)
    drawn = [curve(item, split, measure) for item in recordings]
    frame = Frame(
        *_titles(measure, split, drawn),
        theme=theme,
        narrow=narrow,
        height=300,
        view=(measure, split, last_step(recordings)),
        wide=72,
        right=62,
        legend=True,
    )
    logarithmic = measure == "loss"
    guess = _guessing(recordings, measure)
    low, high = _range(drawn, logarithmic, guess)
    y_axis: dict[str, Any] = {"range": [low, high], "hoverformat": ".3~g", "title": {"text": ""}}
    if logarithmic:
        y_axis |= {"type": "log", "dtick": 1 if high - low > 1.5 else "D2", "exponentformat": "power"}
        y_axis["title"] = {"text": "" if narrow else "cross-entropy (nats)"}
    else:
        y_axis |= {"tickformat": ".0%", "dtick": 0.2, "hoverformat": ".1%"}
        y_axis["title"] = {"text": "" if narrow else "accuracy"}
    panel = frame.panels(1, 1, frame.steps_axis(last_step(recordings)), y_axis)[0][0]
    if guess is not None:
        _reference(frame, panel, *guess, logarithmic)
    for arm, item, one in zip(arms, recordings, drawn, strict=True):
        kept = thin(one.values) if one.steps.size else np.empty(0, int)
        frame.line(
            panel,
            one.steps[kept],
            one.values[kept],
            name=arm.label,
            legendgroup=arm.letter,
            showlegend=True,
            line={"color": arm.colour, "width": frame.theme.line, "dash": arm.dash},
            hovertemplate=("%{y:.1%}" if not logarithmic else "%{y:.3~g}") + f"<extra>{arm.letter}</extra>",
        )
        final = float(one.values[-1]) if one.steps.size else 1.0
        frame.diverged(panel, arm, item.diverged_at, final, last_step(recordings))
    _end_labels(frame, panel, arms, recordings, drawn, logarithmic, (low, high))
    frame.scrubber(panel, step)
    frame.axis_note("training step")
    if not any(one.steps.size for one in drawn):
        frame.place_for_words(panel, f"The {measure} of each network is drawn here while it trains.")
    return frame.figure(_alt(arms, recordings, drawn, measure, split))


def _titles(measure: str, split: str, drawn: Sequence[Curve]) -> tuple[str, str]:
    examples = max(one.examples for one in drawn)
    on = (
        f"{examples:,} {EXAMPLES_CALLED[split]} examples"
        if examples
        else f"{EXAMPLES_CALLED[split]} examples"
    )
    if measure == "accuracy":
        return f"Accuracy on {EXAMPLES_CALLED[split]} data", f"share of {on} named rightly, in inference mode"
    return (
        f"{'Training' if split == 'train' else 'Held-out'} loss",
        f"cross-entropy on {on}, in inference mode",
    )


def _guessing(recordings: Sequence[Recording], measure: str) -> tuple[float, str] | None:
    """What guessing among equally likely classes gives, and how to say it; None for data of unknown classes."""
    classes = {CLASSES.get(item.experiment.dataset) for item in recordings}
    count = classes.pop()
    if classes or count is None:
        return None
    return (1 / count, "guessing") if measure == "accuracy" else (math.log(count), f"guessing: ln {count}")


def _range(drawn: Sequence[Curve], logarithmic: bool, guess: tuple[float, str] | None) -> tuple[float, float]:
    if not logarithmic:
        return 0.0, 1.02
    values = [one.values for one in drawn if one.steps.size]
    extra = [np.array([guess[0]])] if guess is not None else []
    if not values:
        return -2.0, 1.0
    low, high = decades(values + extra)
    # A loss that explodes must not flatten the curve of the arm that learns.
    return low, min(high, max(1.7, low + 4))


def _reference(frame: Frame, panel: Panel, value: float, words: str, logarithmic: bool) -> None:
    """A thin dotted line where guessing lies, named at its right end."""
    frame.shapes.append(
        {
            "type": "line",
            "xref": f"{panel.x} domain",
            "yref": panel.y,
            "x0": 0,
            "x1": 1,
            "y0": value,
            "y1": value,
            "line": {"color": frame.theme.quiet, "width": 1, "dash": "dot"},
            "layer": "below",
        }
    )
    frame.note(
        words,
        xref=f"{panel.x} domain",
        x=1,
        xanchor="right",
        yref=panel.y,
        y=math.log10(value) if logarithmic else value,
        yanchor="bottom",
        font={"size": frame.size - 2, "color": frame.theme.quiet},
    )


def _end_labels(
    frame: Frame,
    panel: Panel,
    arms: Sequence[ArmStyle],
    recordings: Sequence[Recording],
    drawn: Sequence[Curve],
    logarithmic: bool,
    limits: tuple[float, float],
) -> None:
    """Each arm's letter and latest value at the end of its line, moved apart where lines meet."""
    named = [
        index for index, one in enumerate(drawn) if one.steps.size and recordings[index].diverged_at is None
    ]
    low, high = limits
    ends = [float(drawn[index].values[-1]) for index in named]
    shares = [((math.log10(max(end, 1e-12)) if logarithmic else end) - low) / (high - low) for end in ends]
    pixels = [min(max(share, 0.0), 1.0) * frame.plot_height for share in shares]
    for index, end, place, moved in zip(
        named, ends, pixels, spread(pixels, frame.size + 4, 0, frame.plot_height), strict=True
    ):
        arm = arms[index]
        value = f"{end:.1%}" if not logarithmic else short(end)
        frame.note(
            f"<b>{arm.letter}</b> {value}",
            xref=panel.x,
            x=int(drawn[index].steps[-1]),
            xanchor="left",
            xshift=5,
            yref="paper",
            y=place / frame.plot_height,
            yshift=moved - place,
            yanchor="middle",
            font={"size": frame.size - 1, "color": readable(arm.colour, frame.theme)},
        )


def _alt(
    arms: Sequence[ArmStyle],
    recordings: Sequence[Recording],
    drawn: Sequence[Curve],
    measure: str,
    split: str,
) -> str:
    said = (
        f"The {measure} on {EXAMPLES_CALLED[split]} examples over the training steps, one line for each arm. "
    )
    parts = []
    for arm, item, one in zip(arms, recordings, drawn, strict=True):
        if not one.steps.size:
            parts.append(f"{arm.label} has no records yet")
            continue
        values = f"{one.values[-1]:.1%}" if measure == "accuracy" else short(float(one.values[-1]))
        parts.append(
            f"{arm.label} stands at {values} at step {one.steps[-1]:,}"
            + (f" and diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        )
    return said + "; ".join(parts) + "."
