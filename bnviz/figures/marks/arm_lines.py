"""A line for each arm over the training steps, all in one pair of axes: what `accuracy` and `loss` have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.data.classes import class_count
from bnviz.figures.frame.arms import ArmStyle, arm_styles
from bnviz.figures.frame.axes import decades, log_ticks
from bnviz.figures.frame.frame import Frame, Panel
from bnviz.figures.frame.layers import axis_end, last_step
from bnviz.figures.frame.numbers import short
from bnviz.figures.frame.plot import Array, Plot
from bnviz.figures.frame.theme import readable
from bnviz.figures.frame.thinning import thin
from bnviz.figures.marks.end_labels import EndLabel, clipped, end_labels
from bnviz.figures.marks.lines import diverged, level, scrubber
from bnviz.recording import Recording
from bnviz.recording.evaluations import Curve, curve

REPORTED = "As the watched program reported it; a training value may be of a single mini-batch."
SPLITS = ("test", "train")
EXAMPLES_CALLED = {"test": "held-out", "train": "training"}


@dataclass(frozen=True)
class Measure:
    """What a chart of this kind shows: a field of CurvePoint.

    titles: for each split. subtitle: with {examples} where their number stands. axis: the y axis for networks that
    bnviz trained, axis_watched: for one that it watched. guess: the value for guessing among so many classes, and
    guessing: that in words for the subtitle. logarithmic: else the y axis goes from 0 to 1.
    """

    name: str
    titles: Mapping[str, str]
    subtitle: str
    axis: str
    axis_watched: str
    guess: Callable[[int], float]
    guessing: Callable[[int], str]
    logarithmic: bool

    def text(self, value: float) -> str:
        """A value in words."""
        return short(value) if self.logarithmic else f"{value:.1%}"


@dataclass(frozen=True, eq=False)
class ArmLines:
    """A line for each arm, and the y axis that holds them. low, high: as powers of ten if it is logarithmic."""

    recordings: Sequence[Recording]
    measure: Measure
    drawn: Sequence[Curve]
    low: float
    high: float
    guess: float | None

    @classmethod
    def of(cls, recordings: Sequence[Recording], measure: Measure, split: str) -> ArmLines:
        """Collect them from the evaluations on a split."""
        drawn = [curve(item, split, measure.name) for item in recordings]
        classes = _classes(recordings)
        guess = None if classes is None else measure.guess(classes)
        return cls(recordings, measure, drawn, *_range(drawn, measure, guess), guess)

    def y_axis(self, title: str) -> dict[str, Any]:
        """The y axis."""
        axis = {"range": [self.low, self.high], "title": {"text": title}}
        if self.measure.logarithmic:
            return axis | {
                "hoverformat": ".3~g",
                "type": "log",
                "tickmode": "array",
                **log_ticks(self.low, self.high),
            }
        return axis | {"tickformat": ".0%", "dtick": 0.2, "hoverformat": ".1%"}

    def draw(self, frame: Frame, panel: Panel, arms: Sequence[ArmStyle], step: int | None) -> None:
        """The lines, where arms diverged, the line of guessing, the step that the reader looks at."""
        if self.guess is not None:
            level(frame, panel, self.guess)
        for arm, item, one in zip(arms, self.recordings, self.drawn, strict=True):
            _line(frame, panel, arm, one, self.measure)
            final = float(one.values[-1]) if one.steps.size else 1.0
            place = _inside(final, self.low, self.high, self.measure.logarithmic)
            diverged(frame, panel, arm, item.diverged_at, place, axis_end(self.recordings))
        scrubber(frame, panel, step)

    def letters(self, frame: Frame, panel: Panel, arms: Sequence[ArmStyle], rows: int) -> None:
        """Each arm's letter at the end of its line. rows: of panels in the figure."""
        labels = [
            EndLabel(
                f"<b>{arm.letter}</b>",
                int(one.steps[-1]),
                self._height(float(one.values[-1])) * frame.panel_height(rows),
                readable(arm.colour, frame.theme),
                smaller=1,
            )
            for arm, item, one in zip(arms, self.recordings, self.drawn, strict=True)
            if one.steps.size and item.diverged_at is None
        ]
        end_labels(frame, panel, labels, rows=rows, gap=frame.size // 4 if len(arms) > 2 else 1, xshift=4)

    def _height(self, value: float) -> float:
        """Where a value stands, as a share of the panel's height."""
        place = math.log10(max(value, 1e-12)) if self.measure.logarithmic else value
        return clipped((place - self.low) / (self.high - self.low))


def arm_lines(
    recordings: Sequence[Recording], measure: Measure, split: str, theme: str, step: int | None, narrow: bool
) -> Plot:
    """The whole chart. Raises ValueError for a split that there is not."""
    if split not in SPLITS:
        raise ValueError(f"split = {split!r} is not allowed; allowed is one of {', '.join(SPLITS)}")
    arms = arm_styles(recordings)
    drawn = [curve(item, split, measure.name) for item in recordings]
    classes = _classes(recordings)
    guess = None if classes is None else measure.guess(classes)
    low, high = _range(drawn, measure, guess)
    beyond = _beyond(arms, drawn, 10**high) if measure.logarithmic else ""
    subtitle = _subtitle(recordings, measure, split, drawn, classes)
    frame = Frame(
        measure.titles[split],
        f"{subtitle} {beyond}" if beyond and narrow else subtitle,
        theme=theme,
        narrow=narrow,
        height=300,
        view=(measure.name, split, last_step(recordings)),
        wide=72,
        right=72,
        legend=[arm.label for arm in arms],
    )
    watched = any(item.watched is not None for item in recordings)
    title = measure.axis_watched if watched else measure.axis
    lines = ArmLines(recordings, measure, drawn, low, high, guess)
    axis = frame.steps_axis(last_step(recordings), shown=axis_end(recordings))
    panel = frame.panels(1, 1, axis, lines.y_axis(title))[0][0]
    lines.draw(frame, panel, arms, step)
    if beyond and not narrow:
        frame.panel_note(panel, beyond, x=1.0, xanchor="right", yshift=-2)
    _end_labels(frame, panel, arms, recordings, drawn, measure, (low, high), guess)
    frame.axis_note("training step")
    if not any(one.steps.size for one in drawn):
        words = f"The {measure.name} of each network is drawn here while it trains."
        if any(item.watched is not None and item.snapshots for item in recordings):
            words = f"The watched program reported no {measure.name}<br>on {EXAMPLES_CALLED[split]} examples."
        frame.place_for_words(panel, words)
    return frame.plot(_alt(arms, recordings, drawn, measure, split))


def _subtitle(
    recordings: Sequence[Recording], measure: Measure, split: str, drawn: Sequence[Curve], classes: int | None
) -> str:
    """The line below the title. Guessing is giving every class the same probability."""
    count = max(one.examples for one in drawn)
    examples = f"{count:,} " * bool(count) + f"{EXAMPLES_CALLED[split]} examples"
    said = measure.subtitle.format(examples=examples)
    if classes is not None:
        said += measure.guessing(classes)
    if all(item.watched is None for item in recordings):
        return said
    trained = any(item.watched is None for item in recordings)
    return f"{said} Of a watched network: as its program reported it." if trained else REPORTED


def _classes(recordings: Sequence[Recording]) -> int | None:
    """The number of classes, if it is known and the same for all arms."""
    counts = {
        None if item.watched is not None else class_count(item.experiment.dataset) for item in recordings
    }
    return counts.pop() if len(counts) == 1 else None


def _range(drawn: Sequence[Curve], measure: Measure, guess: float | None) -> tuple[float, float]:
    """The range of the y axis, as powers of ten if it is logarithmic."""
    if not measure.logarithmic:
        return 0.0, 1.02
    values = [one.values for one in drawn if one.steps.size]
    if not values:
        return -2.0, 1.0
    low, high = decades(values + ([np.array([guess])] if guess is not None else []))
    # A loss that explodes must not flatten the curve of the arm that learns.
    return low, min(high, max(1.7, low + 4))


def _line(frame: Frame, panel: Panel, arm: ArmStyle, drawn: Curve, measure: Measure) -> None:
    kept = thin(drawn.values) if drawn.steps.size else np.empty(0, int)
    number = "%{y:.3~g}" if measure.logarithmic else "%{y:.1%}"
    arm_line(frame, panel, arm, drawn.steps[kept], drawn.values[kept], number)


def arm_line(frame: Frame, panel: Panel, arm: ArmStyle, steps: Array, values: Array, number: str) -> None:
    """One arm's line over the steps. number: the format of a value in its hover text, as Plotly's."""
    frame.line(
        panel,
        steps,
        values,
        name=arm.label,
        legendgroup=arm.letter,
        showlegend=True,
        line={"color": arm.colour, "width": frame.theme.line, "dash": arm.dash},
        hovertemplate=f"{number}<extra>{arm.letter}</extra>",
    )


def _beyond(arms: Sequence[ArmStyle], drawn: Sequence[Curve], top: float) -> str:
    """Which arms leave the frame at the top, and how far; "" if none does."""
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
    measure: Measure,
    limits: tuple[float, float],
    guess: float | None,
) -> None:
    """Each arm's letter and latest value at the end of its line, and "guessing" at the end of its own."""
    low, high = limits

    def height(value: float) -> float:
        place = math.log10(max(value, 1e-12)) if measure.logarithmic else value
        return clipped((place - low) / (high - low)) * frame.plot_height

    labels = [
        EndLabel(
            f"<b>{arm.letter}</b> {measure.text(float(one.values[-1]))}",
            int(one.steps[-1]),
            height(float(one.values[-1])),
            readable(arm.colour, frame.theme),
            smaller=1,
        )
        for arm, item, one in zip(arms, recordings, drawn, strict=True)
        if one.steps.size and item.diverged_at is None
    ]
    if guess is not None:
        labels.append(EndLabel("guessing", None, height(guess), frame.theme.quiet, smaller=2))
    end_labels(frame, panel, labels, gap=3, xshift=5, yref="paper")


def _alt(
    arms: Sequence[ArmStyle],
    recordings: Sequence[Recording],
    drawn: Sequence[Curve],
    measure: Measure,
    split: str,
) -> str:
    """Where each arm's line stands, in words."""
    parts = []
    for arm, item, one in zip(arms, recordings, drawn, strict=True):
        if not one.steps.size:
            parts.append(f"{arm.label} has no records yet")
            continue
        parts.append(
            f"{arm.label} stands at {measure.text(float(one.values[-1]))} at step {one.steps[-1]:,}"
            + (f" and diverged at step {item.diverged_at:,}" if item.diverged_at is not None else "")
        )
    return (
        f"The {measure.name} on {EXAMPLES_CALLED[split]} examples over the training steps, one line for each arm. "
        + "; ".join(parts)
        + "."
    )
