"""Accuracy and loss of all arms in one pair of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bnviz.data.classes import class_count
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import decades, log_ticks
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import last_step
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Plot, PlotFunction
from bnviz.figures.frame.theme import readable
from bnviz.figures.frame.thinning import thin
from bnviz.figures.marks.end_labels import spread
from bnviz.figures.marks.lines import diverged, level, scrubber
from bnviz.recording import Recording
from bnviz.recording.evaluations import Curve, curve

REPORTED = "As the watched program reported it; a training value may be of a single mini-batch."
SPLITS = ("test", "train")
EXAMPLES_CALLED = {"test": "held-out", "train": "training"}


@PlotFunction
def accuracy(
    recordings: Sequence[Recording],
    split: str = "test",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The share of examples that each arm classifies correctly, over the training steps; the line of guessing below.

    split: "test" for held-out examples, "train" for those trained on. Raises ValueError.
    """
    return _curves(recordings, "accuracy", split, theme, step, narrow)


@PlotFunction
def loss(
    recordings: Sequence[Recording],
    split: str = "train",
    *,
    theme: str = "light",
    step: int | None = None,
    narrow: bool = False,
) -> Plot:
    """The cross-entropy of each arm over the training steps on a logarithmic axis; the line of guessing above.

    split: "train" for examples trained on, "test" for held-out ones. Raises ValueError.
    """
    return _curves(recordings, "loss", split, theme, step, narrow)


def _curves(
    recordings: Sequence[Recording], measure: str, split: str, theme: str, step: int | None, narrow: bool
) -> Plot:
    if split not in SPLITS:
        raise ValueError(f"split = {split!r} is not allowed; allowed is one of {', '.join(SPLITS)}")
    arms = arm_styles(recordings)
    drawn = [curve(item, split, measure) for item in recordings]
    classes = _classes(recordings)
    guess = None if classes is None else 1 / classes if measure == "accuracy" else math.log(classes)
    logarithmic = measure == "loss"
    low, high = _range(drawn, logarithmic, guess)
    beyond = _beyond(arms, drawn, 10**high) if logarithmic else ""
    title, subtitle = _titles(measure, split, drawn, classes)
    watched = any(item.watched is not None for item in recordings)
    if watched:
        trained = any(item.watched is None for item in recordings)
        subtitle = f"{subtitle} Of a watched network: as its program reported it." if trained else REPORTED
    frame = Frame(
        title,
        f"{subtitle} {beyond}" if beyond and narrow else subtitle,
        theme=theme,
        narrow=narrow,
        height=300,
        view=(measure, split, last_step(recordings)),
        wide=72,
        right=72,
        legend=[arm.label for arm in arms],
    )
    y_axis: dict[str, Any] = {"range": [low, high], "hoverformat": ".3~g", "title": {"text": ""}}
    if logarithmic:
        y_axis |= {"type": "log", "tickmode": "array", **log_ticks(low, high)}
        unit = "loss" if watched else "cross-entropy (nats)"
        y_axis["title"] = {"text": "" if narrow else unit}
    else:
        y_axis |= {"tickformat": ".0%", "dtick": 0.2, "hoverformat": ".1%"}
        y_axis["title"] = {"text": "" if narrow else "accuracy"}
    panel = frame.panels(1, 1, frame.steps_axis(last_step(recordings)), y_axis)[0][0]
    if guess is not None:
        level(frame, panel, guess)
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
        diverged(
            frame, panel, arm, item.diverged_at, _inside(final, low, high, logarithmic), last_step(recordings)
        )
    if beyond and not narrow:
        frame.panel_note(panel, beyond, x=1.0, xanchor="right", yshift=-2)
    _end_labels(frame, panel, arms, recordings, drawn, logarithmic, (low, high), guess)
    scrubber(frame, panel, step)
    frame.axis_note("training step")
    if not any(one.steps.size for one in drawn):
        words = f"The {measure} of each network is drawn here while it trains."
        if any(item.watched is not None and item.snapshots for item in recordings):
            words = f"The watched program reported no {measure}<br>on {EXAMPLES_CALLED[split]} examples."
        frame.place_for_words(panel, words)
    return frame.plot(_alt(arms, recordings, drawn, measure, split))


def _titles(measure: str, split: str, drawn: Sequence[Curve], classes: int | None) -> tuple[str, str]:
    """The title and the line below it. Guessing is giving every class the same probability."""
    examples = max(one.examples for one in drawn)
    on = (
        f"{examples:,} {EXAMPLES_CALLED[split]} examples"
        if examples
        else f"{EXAMPLES_CALLED[split]} examples"
    )
    if measure == "accuracy":
        return (
            f"Accuracy on {EXAMPLES_CALLED[split]} data",
            f"Share of {on} classified correctly, in inference mode.",
        )
    guessing = (
        "" if classes is None else f" Guessing:\u00a0ln\u00a0{classes}\u00a0=\u00a0{math.log(classes):.2f}."
    )
    title = "Training loss" if split == "train" else "Held-out loss"
    return title, f"Cross-entropy on {on}, in inference mode.{guessing}"


def _classes(recordings: Sequence[Recording]) -> int | None:
    """The number of classes, if it is known and the same for all arms."""
    counts = {
        None if item.watched is not None else class_count(item.experiment.dataset) for item in recordings
    }
    return counts.pop() if len(counts) == 1 else None


def _range(drawn: Sequence[Curve], logarithmic: bool, guess: float | None) -> tuple[float, float]:
    if not logarithmic:
        return 0.0, 1.02
    values = [one.values for one in drawn if one.steps.size]
    extra = [np.array([guess])] if guess is not None else []
    if not values:
        return -2.0, 1.0
    low, high = decades(values + extra)
    # A loss that explodes must not flatten the curve of the arm that learns.
    return low, min(high, max(1.7, low + 4))


def _beyond(arms: Sequence[ArmStyle], drawn: Sequence[Curve], top: float) -> str:
    """Whose loss leaves the frame at the top, in words; "" if nobody's does."""
    said = [
        f"{arm.letter} {short(float(one.values.max()))} at step {one.steps[one.values.argmax()]:,}"
        for arm, one in zip(arms, drawn, strict=True)
        if one.steps.size and one.values.max() > top * 1.001
    ]
    return f"Beyond the frame: {', '.join(said)}." if said else ""


def _inside(value: float, low: float, high: float, logarithmic: bool) -> float:
    """The value, or the nearest one that is well inside the axis."""
    margin = 0.08 * (high - low)
    place = min(max(math.log10(max(value, 1e-300)) if logarithmic else value, low + margin), high - margin)
    return 10.0**place if logarithmic else place


def _end_labels(
    frame: Frame,
    panel: Panel,
    arms: Sequence[ArmStyle],
    recordings: Sequence[Recording],
    drawn: Sequence[Curve],
    logarithmic: bool,
    limits: tuple[float, float],
    guess: float | None,
) -> None:
    """Each arm's letter and latest value at the end of its line, and "guessing" at the end of its own.

    Where lines meet, the labels are moved apart.
    """
    ends: list[tuple[float, str, int | None, str]] = []
    for arm, item, one in zip(arms, recordings, drawn, strict=True):
        if one.steps.size and item.diverged_at is None:
            value = float(one.values[-1])
            text = f"<b>{arm.letter}</b> " + (short(value) if logarithmic else f"{value:.1%}")
            ends.append((value, text, int(one.steps[-1]), readable(arm.colour, frame.theme)))
    if guess is not None:
        ends.append((guess, "guessing", None, frame.theme.quiet))
    low, high = limits
    tall = frame.plot_height
    shares = [
        ((math.log10(max(end[0], 1e-12)) if logarithmic else end[0]) - low) / (high - low) for end in ends
    ]
    pixels = [min(max(share, 0.0), 1.0) * tall for share in shares]
    moved = spread(pixels, frame.size + 3, 0, tall)
    for (_, text, at, colour), place, target in zip(ends, pixels, moved, strict=True):
        frame.note(
            text,
            xref=f"{panel.x} domain" if at is None else panel.x,
            x=1 if at is None else at,
            xanchor="left",
            xshift=5,
            yref="paper",
            y=place / tall,
            yshift=target - place,
            yanchor="middle",
            font={"size": frame.size - (2 if at is None else 1), "color": colour},
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
