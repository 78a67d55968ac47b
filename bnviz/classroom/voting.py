"""What a class answered: how often each option, or how the numbers spread; and how many were right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bnviz.labs.predictions import Answer, Choice, Estimate, Score, Slider

BARS = 12
"""Bars of a histogram of estimates: enough to tell two groups apart, few enough to read from the back row."""


@dataclass(frozen=True)
class Bar:
    """How many answered this. words: the option, or the numbers from `low` to `high`."""

    words: str
    count: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Tally:
    """The answers to one question, or to one of its sliders. label: of the slider, "" for options.

    middle: the median of the numbers in words, "" for options.
    """

    label: str
    bars: tuple[Bar, ...]
    middle: str = ""


@dataclass(frozen=True)
class Truth:
    """What was measured, in words. value: its place on the slider; None for an option."""

    words: str
    value: float | None = None


def tally(prediction: Choice | Estimate, answers: Sequence[str]) -> tuple[Tally, ...]:
    """One Tally of the options, or one for each slider. Answers are texts that `prediction.read` accepts."""
    if isinstance(prediction, Choice):
        counts = Counter(answers)
        return (Tally("", tuple(Bar(words, counts[key]) for key, words in prediction.options.items())),)
    numbers = np.array([prediction.read(text) for text in answers]).reshape(-1, len(prediction.sliders))
    return tuple(_histogram(item, column) for item, column in zip(prediction.sliders, numbers.T, strict=True))


def middle(prediction: Choice | Estimate, answers: Sequence[str]) -> float | None:
    """The median of what was answered on the first slider; None for options, and where nobody answered."""
    if isinstance(prediction, Choice) or not answers:
        return None
    return float(np.median([prediction.read(text)[0] for text in answers]))


def _histogram(slider: Slider, values: np.ndarray) -> Tally:
    edges = bar_edges(slider)
    counts = np.histogram(np.clip(values, slider.low, slider.high), edges)[0]
    bars = [
        Bar(f"{_short(low)} to {_short(high)}{slider.unit}", int(count), float(low), float(high))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return Tally(slider.label, tuple(bars), slider.shown(float(np.median(values))) if len(values) else "")


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


def bar_edges(slider: Slider) -> np.ndarray:
    """The borders of the bars, (BARS + 1,), spaced as the slider is: evenly, or evenly on a logarithmic scale."""
    if slider.logarithmic:
        edges = np.geomspace(slider.low, slider.high, BARS + 1)
    else:
        edges = np.linspace(slider.low, slider.high, BARS + 1)
    edges[0], edges[-1] = slider.low, slider.high
    return edges


def score(prediction: Choice | Estimate, text: str, answer: Answer) -> Score:
    """Compare one answer, as text, with what was measured. Raises PredictionError."""
    if isinstance(prediction, Choice):
        return prediction.score(text, answer)
    return prediction.score(prediction.read(text), answer)


def right(prediction: Choice | Estimate, answers: Iterable[str], answer: Answer) -> int | None:
    """How many of the answers are right; None where nothing can be scored."""
    counts = Counter(answers)
    scores = {text: score(prediction, text, answer).right for text in counts}
    if answer is None or any(value is None for value in scores.values()):
        return None
    return sum(count for text, count in counts.items() if scores[text])


def measured(prediction: Choice | Estimate, answer: Answer) -> tuple[Truth, ...]:
    """What was measured, one Truth for each Tally; () where the run does not settle the question."""
    if isinstance(prediction, Choice):
        return (Truth(prediction.options[answer]),) if isinstance(answer, str) else ()
    if not isinstance(answer, tuple) or any(math.isnan(value) for value in answer):
        return ()
    return tuple(
        Truth(item.shown(value), min(max(value, item.low), item.high))
        for item, value in zip(prediction.sliders, answer, strict=True)
    )
