"""What was measured, in words: a sentence or two beside the charts, and the numbers above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bnviz.experiment import Experiment
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.layers import called, depth
from bnviz.figures.frame.numbers import short
from bnviz.recording import Recording
from bnviz.recording.evaluations import latest
from bnviz.recording.layer_inputs import median_shift

LEAD = 0.02
"""A smaller lead in accuracy is not mentioned: the held-out sample cannot resolve it."""


class Readout(NamedTuple):
    """The numbers of one arm at a step; None where nothing was evaluated yet. accuracy: held-out, in [0, 1]."""

    arm: str
    colour: str
    step: int
    loss: float | None
    accuracy: float | None
    diverged_at: int | None


def readouts(recordings: Sequence[Recording], step: int | None = None) -> list[Readout]:
    """For each arm its training loss and held-out accuracy, as last evaluated at or before `step`."""
    result = []
    for arm, item in zip(arm_styles(recordings), recordings, strict=True):
        past = [snapshot for snapshot in item.snapshots if step is None or snapshot.step <= step]
        at = past[-1].step if past else 0
        gone = (
            item.diverged_at
            if item.diverged_at is not None and (step is None or item.diverged_at <= step)
            else None
        )
        result.append(
            Readout(
                arm.label,
                arm.colour,
                at,
                latest(past, "train", "loss"),
                latest(past, "test", "accuracy"),
                gone,
            )
        )
    return result


def story(recordings: Sequence[Recording], step: int | None = None, layer: int | None = None) -> str:
    """One to three sentences computed from what was measured up to `step` (None: the latest).

    layer: whose shift is told, None for the last hidden layer. The shift's unit, σ, is defined in `median_shift`.
    """
    arms = arm_styles(recordings)
    numbers = readouts(recordings, step)
    if not any(item.snapshots for item in recordings):
        return "Nothing has been measured yet. Watch in which network the bands move, and in which they stay."
    at = max(number.step for number in numbers)
    number = layer if layer is not None and 1 <= layer <= depth(recordings) else depth(recordings)
    sentences = [
        _divergence(arms, numbers),
        _shift(recordings, arms, numbers, at, number),
        _lead(arms, numbers),
    ]
    told = [sentence for sentence in sentences if sentence]
    return " ".join(told) if told else f"Step {at:,}: the networks have only just started."


def _divergence(arms: Sequence[ArmStyle], numbers: Sequence[Readout]) -> str:
    gone = [
        (arm, item.diverged_at)
        for arm, item in zip(arms, numbers, strict=True)
        if item.diverged_at is not None
    ]
    left = [arm.letter for arm, item in zip(arms, numbers, strict=True) if item.diverged_at is None]
    if not gone:
        return ""
    said = " ".join(
        f"{arm.letter} diverged at step {at:,}: its loss is no longer a finite number." for arm, at in gone
    )
    if not left:
        return said
    return f"{said} {_joined(left)} {'goes' if len(left) == 1 else 'go'} on."


def _shift(
    recordings: Sequence[Recording], arms: Sequence[ArmStyle], numbers: Sequence[Readout], at: int, layer: int
) -> str:
    parts = []
    for arm, item, own in zip(arms, recordings, numbers, strict=True):
        moved = median_shift(item, layer, min(at, own.step)) if own.diverged_at is None else None
        if moved is not None:
            parts.append(f"{_sigmas(moved)} in {arm.letter}")
    if not parts:
        return ""
    return (
        f"By step {at:,} the median of a typical unit in {called(recordings, layer)} has moved {_joined(parts)}. "
        "One σ is the standard deviation of what the layer receives, averaged over the start and now."
    )


def _sigmas(value: float) -> str:
    return f"{value:.1f} σ" if value < 100 else f"{short(value)} σ"


def _lead(arms: Sequence[ArmStyle], numbers: Sequence[Readout]) -> str:
    """Who classifies more held-out examples correctly, of the arms that still train; the best first."""
    ranked = sorted(
        (
            (item.accuracy, arm.letter)
            for arm, item in zip(arms, numbers, strict=True)
            if item.accuracy is not None and item.diverged_at is None
        ),
        reverse=True,
    )
    if len(ranked) < 2:
        return ""
    (best, leader), (worst, _) = ranked[0], ranked[-1]
    if best - worst < LEAD:
        close = ", ".join(
            f"{letter} {accuracy:.1%}" for accuracy, letter in sorted(ranked, key=lambda item: item[1])
        )
        return f"They classify nearly as many of the held-out examples correctly: {close}."
    others = _joined([f"{letter} {accuracy:.1%}" for accuracy, letter in ranked[1:]])
    return f"{leader} classifies {best:.1%} of the held-out examples correctly, {others}."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def changes(recordings: Sequence[Recording], styles: Sequence[ArmStyle]) -> list[dict[str, Any]]:
    """Each Intervention that training has reached, with the letters of the arms it was made in."""
    arms: dict[tuple[int, str, float], list[str]] = {}
    for recording, style in zip(recordings, styles, strict=True):
        for item in recording.interventions:
            if item.step <= recording.last_step:
                arms.setdefault((item.step, item.field, item.value), []).append(style.letter)
    knobs = Experiment.knobs()
    return [
        {
            "step": step,
            "text": f"{knobs[field].label.lower()} {value:g}"
            + (f" in {_joined(letters)}" if len(letters) < len(styles) else ""),
        }
        for (step, field, value), letters in sorted(arms.items())
    ]
