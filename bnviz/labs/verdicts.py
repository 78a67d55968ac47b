"""What a lab concludes, and the numbers that several labs conclude it from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnviz.data.classes import class_count
from bnviz.figures.frame.numbers import short
from bnviz.labs.predictions import Answer
from bnviz.recording import Recording

UNCLEAR = "Unclear"
SUPPORTS = "This run supports"
DOES_NOT_SUPPORT = "This run does not support"
WORDS = (UNCLEAR, SUPPORTS, DOES_NOT_SUPPORT)
"""What the words of every verdict begin with."""


@dataclass(frozen=True)
class Measure:
    """A number measured in every seed. values: infinite where something was never reached, NaN where unknown."""

    words: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the seeds, unknown values left out."""
        known = [value for value in self.values if not math.isnan(value)]
        return float(np.quantile(known, 0.5, method="inverted_cdf")) if known else math.nan

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest of the seeds, unknown values left out."""
        known = [value for value in self.values if not math.isnan(value)]
        return (min(known), max(known)) if known else (math.nan, math.nan)

    @property
    def over_seeds(self) -> str:
        """The spread as words that follow the median: " (2.1 to 3.4 over the seeds)"; nothing for one seed."""
        if len(self.values) == 1:
            return ""
        low, high = (short(end) if math.isfinite(end) else "unknown" for end in self.spread)
        return f" ({low} to {high} over the seeds)"


@dataclass(frozen=True)
class Verdict:
    """Whether the run shows the claim: True, False, or None where that is unclear.

    sentence: the same in words, saying by how much. criterion: the rule, as the reader is shown it.
    measured: every number that went into it, by name. answer: see `Answer`. judged: what is judged, in words.
    """

    holds: bool | None
    sentence: str
    criterion: str
    measured: Mapping[str, Measure]
    answer: Answer
    judged: str = "the claim"

    @property
    def seeds(self) -> int:
        """How many times every arm was trained, each from weights and an order of examples of its own."""
        return max(len(item.values) for item in self.measured.values())

    @property
    def word(self) -> str:
        """The verdict in a few words."""
        if self.holds is None:
            return UNCLEAR
        return f"{SUPPORTS if self.holds else DOES_NOT_SUPPORT} {self.judged}"

    @property
    def said(self) -> str:
        """The verdict in full: word, sentence, and on how many seeds it rests."""
        basis = (
            "One seed: another seed may come out differently." if self.seeds == 1 else f"{self.seeds} seeds."
        )
        return f"{self.word}. {self.sentence} {basis}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: medians, spreads, every seed's value; what is not a finite number becomes null."""
        return {
            "holds": self.holds,
            "verdict": self.word,
            "sentence": self.said,
            "criterion": self.criterion,
            "measured": {name: _plain(item.median) for name, item in self.measured.items()},
            "spread": {name: [_plain(end) for end in item.spread] for name, item in self.measured.items()},
            "by_seed": {
                name: [_plain(value) for value in item.values] for name, item in self.measured.items()
            },
            "meaning": {name: item.words for name, item in self.measured.items()},
            "answer": list(map(_plain, self.answer)) if isinstance(self.answer, tuple) else self.answer,
        }


def agreed(seeds: Sequence[bool]) -> bool | None:
    """True where every seed passes, False where none does, None where they disagree."""
    return seeds[0] if len(set(seeds)) == 1 else None


def quotients(tops: Sequence[float], bottoms: Sequence[float]) -> tuple[float, ...]:
    """Seed by seed, top / bottom; NaN where that has no meaning, as for never / never."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(np.divide(tops, bottoms).tolist())


def accuracies(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """The steps at which accuracy on held-out examples was evaluated, and that accuracy; both (R,).

    All on the same examples: the evaluation at the end, where it is on more of them, is left out.
    """
    points = [
        (item.step, point) for item in recording.snapshots for point in item.curves if point.split == "test"
    ]
    kept = [(step, point.accuracy) for step, point in points if point.examples == points[0][1].examples]
    return np.array([step for step, _ in kept], np.int64), np.array([value for _, value in kept], np.float64)


LATE = 5
"""Evaluations that the accuracy reached late in training is the median of."""


def late_accuracy(recording: Recording) -> float:
    """The accuracy that `accuracies` settled at: a target for others to reach, on the same examples.

    That of guessing for a network that diverged; NaN before there is any.
    """
    if recording.diverged_at is not None:
        return guessing(recording)
    values = accuracies(recording)[1]
    return float(np.median(values[-LATE:])) if values.size else math.nan


def guessing(recording: Recording) -> float:
    """The accuracy of guessing among equally likely classes; 0 for data whose number of classes is unknown."""
    classes = class_count(recording.experiment.dataset)
    return 1 / classes if classes else 0.0


def final_accuracy(recording: Recording) -> float:
    """Accuracy on all held-out examples at the end; of a network that diverged, that of guessing.

    While training goes on, the latest there is; NaN before there is any.
    """
    if recording.diverged_at is not None:
        return guessing(recording)
    latest = [
        point.accuracy for item in recording.snapshots for point in item.curves if point.split == "test"
    ]
    return latest[-1] if latest else math.nan


def steps_to(recording: Recording, target: float) -> float:
    """The first evaluated step at which held-out accuracy is `target` or more; infinite if there is none."""
    steps, values = accuracies(recording)
    reached = np.flatnonzero(values >= target)
    return float(max(steps[reached[0]], 1)) if reached.size else math.inf


def counted(steps: float) -> str:
    """A number of steps as words."""
    return f"{steps:,.0f} steps" if math.isfinite(steps) else "never"


def reached(steps: float) -> str:
    """When something was reached, as words: "after 120 steps", or "never"."""
    return f"after {counted(steps)}" if math.isfinite(steps) else "never"


def percent(share: float, digits: int = 1) -> str:
    """A share as "96.9 %"; what would be rounded to zero as "less than 0.1 %"."""
    least = 10.0**-digits
    if 0 < share < 0.005 * least:
        return f"less than {least:g} %"
    return f"{100 * share:.{digits}f} %"


_PARTS = {
    3: "a third",
    4: "a quarter",
    5: "a fifth",
    6: "a sixth",
    7: "a seventh",
    8: "an eighth",
    9: "a ninth",
    10: "a tenth",
    11: "an eleventh",
    12: "a twelfth",
    13: "a thirteenth",
    14: "a fourteenth",
    15: "a fifteenth",
    16: "a sixteenth",
    17: "a seventeenth",
    18: "an eighteenth",
    19: "a nineteenth",
    20: "a twentieth",
}


def in_part_of(times_fewer: float) -> str:
    """So many times fewer steps, as words: "in about a nineteenth of the steps", "in 72 % of the steps"."""
    if math.isnan(times_fewer) or times_fewer <= 0:
        return "in no known part of the steps"
    if math.isinf(times_fewer):
        return "where the other network never arrived"
    if times_fewer < 0.95:
        return f"in {short(1 / times_fewer)} times as many steps"
    if times_fewer < 1.05:
        return "in as many steps"
    whole = round(times_fewer)
    if whole < 2 or (whole < 4 and abs(times_fewer - whole) > 0.1 * whole):
        return f"in {percent(1 / times_fewer, 0)} of the steps"
    if whole == 2:
        return "in about half the steps"
    return f"in about {_PARTS.get(whole, f'1/{whole:,}')} of the steps"


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def dumped(data: Mapping[str, Any]) -> str:
    """Data as readable JSON, refusing NaN and infinity, which are no JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
