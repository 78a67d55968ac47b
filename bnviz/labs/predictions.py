"""What a student commits to before a lab is run, and how it is scored against what was then measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Answer: TypeAlias = "str | tuple[float, ...] | None"
"""What a perfect prediction would have been: an option's key, the sliders' values, or None where it is unclear."""


NOTCHES = 41
"""Places at which a slider stops: fine enough for a guess, and a thumb finds each."""


class PredictionError(ValueError):
    """A prediction that the lab's question does not allow; the message says what is allowed."""


@dataclass(frozen=True)
class Score:
    """Whether a prediction came true, None if nothing can be scored, and a sentence for whoever made it."""

    right: bool | None
    sentence: str


NOTHING = Score(None, "There is nothing to score: this run does not answer the question.")


@dataclass(frozen=True)
class Choice:
    """One of several options. options: the words of each by its key."""

    options: Mapping[str, str]

    @property
    def allowed(self) -> str:
        """What may be predicted, as words that complete "allowed is …"."""
        return "one of " + ", ".join(self.options)

    def read(self, text: str) -> str:
        """The option of that key. Raises PredictionError."""
        if text not in self.options:
            raise PredictionError(f"prediction = {text[:40]!r} is not allowed; allowed is {self.allowed}")
        return text

    def words(self, text: str) -> str:
        """A prediction as a reader is told it. Raises PredictionError."""
        return self.options[self.read(text)]

    def score(self, prediction: str, answer: Answer) -> Score:
        """Right where the option predicted is the one measured."""
        said = self.words(prediction)
        if not isinstance(answer, str):
            return NOTHING
        if prediction == answer:
            return Score(True, f"Right. You said “{said}”; this was measured.")
        return Score(False, f"Not so. You said “{said}”; measured: “{self.options[answer]}”.")


@dataclass(frozen=True)
class Slider:
    """A number to set. factor: right is within this factor of what was measured. logarithmic: how it slides.

    bounded: no larger value than `high` can be measured, so that `high` is not "or more".
    """

    label: str
    low: float
    high: float
    start: float
    factor: float = 2.0
    unit: str = ""
    logarithmic: bool = True
    bounded: bool = False

    @property
    def notches(self) -> tuple[float, ...]:
        """The values at which it stops, from `low` to `high`, evenly spaced as it slides."""
        spread = np.geomspace if self.logarithmic else np.linspace
        between = [float(f"{value:.6g}") for value in spread(self.low, self.high, NOTCHES)[1:-1]]
        return self.low, *between, self.high

    @property
    def start_notch(self) -> int:
        """The number, from 0, of the notch nearest to `start`."""
        notches = self.notches
        return min(range(NOTCHES), key=lambda place: abs(notches[place] - self.start))

    def shown(self, value: float) -> str:
        """The value with its unit, and said so where it lies beyond the slider's end.

        Two digits, as more are none of a guess; three where the slider stops more finely.
        """
        if value >= self.high:
            return f"{self.high:,.4g}{self.unit}{'' if self.bounded else ' or more'}"
        return self._to(2 if self._two_digits_suffice else 3, value)

    @property
    def _two_digits_suffice(self) -> bool:
        return len({self._to(2, value) for value in self.notches}) == NOTCHES

    def _to(self, digits: int, value: float) -> str:
        return f"{float(f'{value:.{digits}g}'):,.4g}{self.unit}"


@dataclass(frozen=True)
class Estimate:
    """One or two sliders."""

    sliders: tuple[Slider, ...]

    @property
    def allowed(self) -> str:
        """What may be predicted, as words that complete "allowed is …"."""
        return ", ".join(
            f"a number from {item.low:g} to {item.high:g} ({item.label})" for item in self.sliders
        )

    def read(self, text: str) -> tuple[float, ...]:
        """The numbers in "3" or "3,10", one for each slider. Raises PredictionError."""
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        return self.check(values, text)

    def words(self, text: str) -> str:
        """A prediction as a reader is told it. Raises PredictionError."""
        numbers = self.read(text)
        if len(self.sliders) == 1:  # the question, which stands above, says of what
            return self.sliders[0].shown(numbers[0])
        values = zip(self.sliders, numbers, strict=True)
        return "; ".join(f"{item.label}: {item.shown(value)}" for item, value in values)

    def check(self, values: Sequence[float], text: str = "") -> tuple[float, ...]:
        """The values, if there is one for each slider and each lies on it. Raises PredictionError."""
        fits = len(values) == len(self.sliders) and all(
            item.low <= value <= item.high for item, value in zip(self.sliders, values, strict=True)
        )
        if not fits:
            shown = text[:40] or ", ".join(map(str, values))
            raise PredictionError(f"prediction = {shown!r} is not allowed; allowed is {self.allowed}")
        return tuple(values)

    def score(self, prediction: Sequence[float], answer: Answer) -> Score:
        """Right where every slider is within its factor of what was measured."""
        self.check(prediction)
        if not isinstance(answer, tuple) or any(math.isnan(value) for value in answer):
            return NOTHING
        right = True
        parts = []
        for item, said, measured in zip(self.sliders, prediction, answer, strict=True):
            held = min(max(measured, item.low), item.high)  # the slider's end stands for all beyond it
            close = held / item.factor <= said <= held * item.factor
            right = right and close
            where = "close enough" if close else "too high" if said > held else "too low"
            rule = "" if close else f" (within a factor of {item.factor:g} is close enough)"
            name = f" ({item.label})" if len(self.sliders) > 1 else ""
            parts.append(
                f"You said {item.shown(said)}{name}; measured {item.shown(measured)}: {where}{rule}."
            )
        return Score(right, " ".join(parts))
